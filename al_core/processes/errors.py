"""Why several processes cannot share a run."""


class ProcessError(ValueError):
    """A further process that cannot be started or has ended; the sentence says what to do."""
