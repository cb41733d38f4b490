"""Standardised columns and the linear classifiers and regressions on them: what a probe is made of."""
