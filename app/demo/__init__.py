"""The main job, shown once: a live service on SQLite, and people who label through its HTTP API."""
