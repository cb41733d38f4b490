"""The science: arrays and modules in, arrays and checkpoints out. No web, no database, no settings, no clock."""
