"""Exports: what was annotated, by whom and when; as it is now, or as it was for ever."""
