"""Adaptation: TAPT on a project's own unlabeled audio, as a job."""
