from itertools import islice

import numpy as np
import pytest

from tapt.minibatches import minibatches, plan_epoch

DURATIONS = np.random.default_rng(0).uniform(0.5, 8.0, 300).tolist()


def test_an_epoch_holds_every_clip_once() -> None:
    plan = plan_epoch(DURATIONS, 30.0, np.random.default_rng(0))
    assert sorted(i for minibatch in plan for i in minibatch) == list(range(300))


def test_padded_audio_stays_within_the_bound() -> None:
    plan = plan_epoch(DURATIONS, 30.0, np.random.default_rng(0))
    assert max(len(m) * max(DURATIONS[i] for i in m) for m in plan) <= 30.0


def test_little_of_a_minibatch_is_padding() -> None:
    plan = plan_epoch(DURATIONS, 30.0, np.random.default_rng(0))
    padded = sum(len(m) * max(DURATIONS[i] for i in m) for m in plan)
    assert sum(DURATIONS) / padded > 0.85


def test_a_clip_longer_than_the_bound_is_a_minibatch_of_its_own() -> None:
    assert (1,) in plan_epoch([2.0, 50.0, 2.0], 10.0, np.random.default_rng(0))


@pytest.mark.parametrize("done", [1, 40, 41, 200])
def test_a_resumed_order_is_the_rest_of_the_unbroken_one(done: int) -> None:
    unbroken = list(islice(minibatches(DURATIONS, 30.0, seed=3), 260))
    assert list(islice(minibatches(DURATIONS, 30.0, seed=3, done=done), 260 - done)) == unbroken[done:]


def test_epochs_differ_in_order_and_in_neighbours() -> None:
    n = len(plan_epoch(DURATIONS, 30.0, np.random.default_rng(0)))
    first, second = (set(islice(minibatches(DURATIONS, 30.0, 0, done), n)) for done in (0, n))
    assert len(first & second) < n / 2


def test_no_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="no clip"):
        next(minibatches([], 30.0, 0))
