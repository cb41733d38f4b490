"""The order of an epoch."""

import numpy as np
import pytest

from al_core.recipe import Recipe
from al_core.training.minibatches import epoch_steps, minibatches, n_steps


def test_an_epoch_holds_every_position_once_and_keeps_the_last_partial_minibatch():
    durations = np.random.default_rng(0).uniform(1, 9, 41).tolist()
    cut = minibatches(durations, 4, np.random.default_rng(1))
    assert sorted(i for positions in cut for i in positions) == list(range(41))
    assert sorted(len(positions) for positions in cut) == [1] + [4] * 10


def test_minibatches_hold_clips_of_similar_length_in_a_new_order_every_epoch():
    durations = np.random.default_rng(0).uniform(1, 9, 64).tolist()
    rng = np.random.default_rng(1)
    first, second = minibatches(durations, 4, rng), minibatches(durations, 4, rng)
    spread = [max(durations[i] for i in p) - min(durations[i] for i in p) for p in first]
    assert np.mean(spread) < 2.0
    assert {frozenset(p) for p in first} != {frozenset(p) for p in second}


@pytest.mark.parametrize("accumulate", [1, 2, 3, 50])
def test_the_steps_of_an_epoch_hold_every_clip_once_and_are_as_many_as_announced(accumulate, voices):
    recipe = Recipe(minibatch=4, accumulate=accumulate)
    clips = voices(0, 22).clips
    steps = epoch_steps(recipe, clips, epoch=1)
    assert len(steps) == n_steps(recipe, 22)
    assert sorted(i for minibatch in steps for positions in minibatch for i in positions) == list(range(22))
    assert max(len(minibatch) for minibatch in steps) == min(accumulate, 6)


def test_an_epoch_s_order_is_drawn_from_the_seed_and_the_epoch_alone(voices):
    clips = voices(0, 22).clips
    recipe = Recipe(minibatch=4)
    assert epoch_steps(recipe, clips, 2) == epoch_steps(recipe, clips, 2)
    assert epoch_steps(recipe, clips, 2) != epoch_steps(recipe, clips, 1)
    assert epoch_steps(recipe, clips, 2) != epoch_steps(Recipe(minibatch=4, seed=1), clips, 2)
