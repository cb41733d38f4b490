"""What all named errors of TAPT have in common."""


class TaptError(RuntimeError):
    """TAPT refuses or stops; each reason has a subclass where it is found, whose sentence says what to do."""
