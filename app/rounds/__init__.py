"""Rounds: query → annotate → fine-tune → evaluate, opened and closed over HTTP, moved by short jobs."""
