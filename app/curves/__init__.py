"""Learning curves: what each label bought."""
