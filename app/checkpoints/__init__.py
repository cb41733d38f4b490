"""Checkpoints: what was trained, and which one is in use."""
