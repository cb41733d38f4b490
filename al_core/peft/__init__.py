"""Fine-tuning methods, one file each; `specs` describes them without torch."""
