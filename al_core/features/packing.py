"""Minibatches of clips of nearly the same length: little padding, and no more in memory than a budget."""

from collections.abc import Sequence

MAX_PADDING = 0.15


def pack_by_length(lengths: Sequence[int], max_total: int) -> list[list[int]]:
    """Group positions so that a group, padded to its longest clip, stays within a budget.

    Longest first: memory peaks at once, and progress speeds up rather than slows down. A group ends when the next clip
    would exceed the budget or be padded by more than 15 %.

    Args:
        lengths: of the clips, in any unit.
        max_total: most that one group may hold, padding included, in the same unit; a longer clip goes alone.

    Returns:
        Every position exactly once; equal lengths keep their order.
    """
    packs: list[list[int]] = []
    longest = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fits = packs and longest * (len(packs[-1]) + 1) <= max_total
        if fits and lengths[position] >= (1 - MAX_PADDING) * longest:
            packs[-1].append(position)
        else:
            packs.append([position])
            longest = lengths[position]
    return packs
