"""Webhooks: other programs are told of what happens, signed, tried again, and never forgotten."""
