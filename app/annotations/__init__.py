"""Annotations: annotators lease clips, answer or skip them, and see how far the round is."""
