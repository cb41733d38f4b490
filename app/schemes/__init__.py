"""Versions of a project's scheme: classes renamed, merged, split, added or dropped, with the answers carried over."""
