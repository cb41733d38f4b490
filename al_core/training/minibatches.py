"""The order of an epoch: minibatches of clips of similar length, and the optimiser steps they make."""

from collections.abc import Sequence
from math import ceil

from numpy.random import Generator, default_rng

from al_core.features import Clip
from al_core.recipe import Recipe

# Minibatches are cut from this many at a time sorted by length: little padding, still a fresh mixture every epoch.
BUCKET_MINIBATCHES = 8


def minibatches(durations_s: Sequence[float], size: int, rng: Generator) -> list[list[int]]:
    """One epoch: every position once, in minibatches of `size` clips of similar length; the last may be smaller."""
    order = rng.permutation(len(durations_s))
    width = size * BUCKET_MINIBATCHES
    sorted_runs = [sorted(order[at : at + width], key=lambda i: durations_s[i]) for at in range(0, len(order), width)]
    cut = [[int(i) for i in run[at : at + size]] for run in sorted_runs for at in range(0, len(run), size)]
    return [cut[i] for i in rng.permutation(len(cut))]


def epoch_steps(recipe: Recipe, clips: Sequence[Clip], epoch: int) -> list[list[list[int]]]:
    """The optimiser steps of one epoch, `recipe.accumulate` minibatches of positions each; the last may have fewer.

    Drawn from (seed, epoch): a resumed run finds the same order without having kept it.
    """
    cut = minibatches([clip.duration_s for clip in clips], recipe.minibatch, default_rng([recipe.seed, epoch]))
    return [cut[at : at + recipe.accumulate] for at in range(0, len(cut), recipe.accumulate)]


def n_steps(recipe: Recipe, n: int) -> int:
    """Optimiser steps of an epoch of n clips, the partial ones counted."""
    return ceil(ceil(n / recipe.minibatch) / recipe.accumulate)
