"""Several processes that share one run, one a device: starting them, joining them, adding up what they found."""
