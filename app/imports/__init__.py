"""Imports: many clips at once, from a manifest or a corpus folder."""
