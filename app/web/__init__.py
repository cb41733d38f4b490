"""Pages: server-rendered templates and small ES modules over the public REST API; no build step, no outside request."""
