"""Task-adaptive pretraining: self-supervised training of an encoder on a project's own unlabeled audio."""
