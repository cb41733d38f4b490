"""Imports: many clips at once from a manifest or a corpus folder, and answers from elsewhere."""
