"""The learning rate over a run."""

WARM_UP = 0.1


def rate_share(step: int, steps: int) -> float:
    """Share of the learning rate in step 0 … steps − 1: up in a straight line over a tenth of them, then down to 0.

    >>> [round(rate_share(step, steps=20), 2) for step in (0, 1, 2, 18, 19)]
    [0.5, 1.0, 0.95, 0.11, 0.05]
    """
    warm_up = max(1.0, WARM_UP * steps)
    return min((step + 1) / warm_up, (steps - step) / max(1.0, steps - warm_up + 1))
