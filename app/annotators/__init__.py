"""Annotators: how each answers beside the others, and how far they agree. Figures to talk about, never a ban."""
