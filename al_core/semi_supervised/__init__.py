"""Semi-supervised finish: the last fine-tuning also learns from the unlabelled rest of the pool."""
