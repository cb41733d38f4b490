"""Minibatches of clips of similar length, in an order decided by the seed alone."""

from collections.abc import Iterator, Sequence

import numpy as np

from tapt.randomness import Stream, generator

_JITTER = 0.1  # durations are blurred by ±10 % before sorting, so that neighbours change from epoch to epoch


def minibatches(
    durations_s: Sequence[float], seconds_per_step: float, seed: int, done: int = 0
) -> Iterator[tuple[int, ...]]:
    """Positions of the clips of each training step, without end, every clip once an epoch.

    Clips of similar length share a minibatch, so little of it is padding; minibatches come in random order. Each
    epoch is drawn from (seed, epoch), so a run that starts after `done` steps sees what an unbroken one would.

    Args:
        durations_s: (n,) seconds of each clip; n ≥ 1.
        seconds_per_step: bound on clips × longest clip; a clip beyond it is a minibatch of its own.
        seed: of the order.
        done: steps to skip. Their audio is not loaded.

    Yields:
        Positions of one minibatch.

    Raises:
        ValueError: no clip.
    """
    if not durations_s:
        raise ValueError("no clip to make a minibatch of")
    epoch = 0
    while True:
        plan = plan_epoch(durations_s, seconds_per_step, generator(seed, Stream.ORDER, epoch))
        yield from plan[done:]
        done = max(0, done - len(plan))
        epoch += 1


def plan_epoch(
    durations_s: Sequence[float], seconds_per_step: float, rng: np.random.Generator
) -> list[tuple[int, ...]]:
    """One epoch: sort by blurred duration, cut where padded audio would exceed the bound, shuffle."""
    durations = np.asarray(durations_s, dtype=np.float64)  # (n,)
    blurred = durations * rng.uniform(1 - _JITTER, 1 + _JITTER, len(durations))
    plan: list[tuple[int, ...]] = []
    current: list[int] = []
    longest = 0.0
    for position in np.argsort(blurred, kind="stable").tolist():
        longest_with = max(longest, float(durations[position]))
        if current and longest_with * (len(current) + 1) > seconds_per_step:
            plan.append(tuple(current))
            current, longest_with = [], float(durations[position])
        current.append(position)
        longest = longest_with
    plan.append(tuple(current))
    return [plan[i] for i in rng.permutation(len(plan))]
