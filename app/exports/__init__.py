"""Exports: what was annotated, by whom and when."""
