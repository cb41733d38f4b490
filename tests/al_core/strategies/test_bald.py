"""BALD, PowerBALD and BatchBALD against scikit-activeml's and literal sums."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng
from skactiveml.pool._bald import batch_bald as their_batch_bald

from al_core.pool import PoolView
from al_core.strategies.disagreement import mutual_information
from al_core.strategies.query import query
from al_core.strategies.specs import Bald, BatchBald, PowerBald

SEEDS = pytest.mark.parametrize("seed", [0, 1, 2])


def entropy(p: list[float]) -> float:
    return -sum(value * math.log(value) for value in p if value > 0)


def literal_bald(passes: np.ndarray) -> float:
    """One clip's (S, c)."""
    mean = [sum(column) / len(passes) for column in passes.T.tolist()]
    return entropy(mean) - sum(entropy(p) for p in passes.tolist()) / len(passes)


def literal_joint(passes: np.ndarray) -> float:
    """I(y_1 … y_k; w) of (k, S, c), over every configuration of labels."""
    k, n_passes, c = passes.shape
    joint = [
        sum(math.prod(passes[i, w, label] for i, label in enumerate(labels)) for w in range(n_passes)) / n_passes
        for labels in itertools.product(range(c), repeat=k)
    ]
    return entropy(joint) - sum(entropy(passes[i, w].tolist()) for i in range(k) for w in range(n_passes)) / n_passes


@SEEDS
def test_bald_is_the_mutual_information_clip_by_clip(seed: int, a_pool) -> None:
    pool = a_pool(seed)
    expected = [literal_bald(passes) for passes in pool.samples.astype(float)]
    chosen = query(Bald(), pool, 30, default_rng(0))
    assert chosen.positions.tolist() == np.argsort(-np.array(expected), kind="stable")[:30].tolist()
    np.testing.assert_allclose(chosen.scores, np.sort(expected)[::-1][:30], rtol=1e-5)


def test_bald_agrees_with_scikit_activeml(a_pool) -> None:
    pool = a_pool(3)
    theirs = their_batch_bald(pool.samples.astype(float).swapaxes(0, 1).copy(), batch_size=1)[0]
    ours = mutual_information(pool.samples.astype(float))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@SEEDS
def test_batch_bald_is_the_greedy_search_over_every_configuration(seed: int, a_pool) -> None:
    pool = a_pool(seed, n=60, c=3)
    passes = pool.samples.astype(float)
    chosen: list[int] = []
    for _ in range(4):
        gains = {i: literal_joint(passes[[*chosen, i]]) for i in range(60) if i not in chosen}
        chosen.append(max(gains, key=lambda i: gains[i]))
    assert query(BatchBald(), pool, 4, default_rng(0)).positions.tolist() == chosen


def test_batch_bald_agrees_with_scikit_activeml_while_the_joint_entropy_is_exact(a_pool) -> None:
    pool = a_pool(5, n=200, c=3)
    probabilities = pool.samples.astype(float).swapaxes(0, 1).copy()
    theirs = np.nanargmax(their_batch_bald(probabilities, batch_size=3, n_MC_samples=10_000), axis=1)
    assert query(BatchBald(), pool, 3, default_rng(0)).positions.tolist() == theirs.tolist()


def test_drawn_configurations_estimate_the_joint_information(a_pool) -> None:
    """Seven clips of five classes are 78,125 configurations, of which 1,024 are drawn."""
    pool = a_pool(0, n=7, passes=4)
    estimates = [query(BatchBald(), pool, 7, default_rng(seed)).scores.sum() for seed in range(8)]
    assert np.mean(estimates) == pytest.approx(literal_joint(pool.samples.astype(float)), abs=0.05)


def test_batch_bald_takes_one_of_two_clips_the_passes_cannot_tell_apart(a_pool) -> None:
    """Copies of the most informative clip: BALD takes them all, BatchBALD one before any other."""
    pool = a_pool(1, n=100)
    best = int(query(Bald(), pool, 1, default_rng(0)).positions[0])
    samples = np.concatenate([np.repeat(pool.samples[best : best + 1], 5, 0), pool.samples])
    probabilities = samples.mean(axis=1)
    copied = PoolView(
        np.zeros((105, 3), np.float32), probabilities, np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 5,
        np.ones(105, np.float32), samples=samples,
    )  # fmt: skip
    copies = {0, 1, 2, 3, 4, best + 5}
    assert set(query(Bald(), copied, 6, default_rng(0)).positions.tolist()) == copies
    assert len(copies & set(query(BatchBald(), copied, 2, default_rng(0)).positions.tolist())) == 1


def test_power_bald_draws_by_the_power_of_bald(a_pool) -> None:
    pool = a_pool(0, n=12)
    information = np.array([literal_bald(passes) for passes in pool.samples.astype(float)])
    rng = default_rng(0)
    first = np.bincount([query(PowerBald(power=2), pool, 1, rng).positions[0] for _ in range(2000)], minlength=12)
    expected = 2000 * information**2 / (information**2).sum()
    assert (abs(first - expected) < 5 * np.sqrt(expected) + 5).all()


def test_a_large_power_is_plain_bald(a_pool) -> None:
    pool = a_pool(2)
    chosen = query(PowerBald(power=1e5), pool, 20, default_rng(0)).positions
    np.testing.assert_array_equal(chosen, query(Bald(), pool, 20, default_rng(0)).positions)


def test_passes_that_agree_tell_nothing(a_pool) -> None:
    pool = a_pool(0)
    same = replace(pool, samples=np.repeat(pool.samples[:, :1], 6, axis=1))
    assert mutual_information(same.samples.astype(float)).max() < 1e-6
