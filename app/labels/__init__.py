"""Labels: what annotations add up to, and what came with the import."""
