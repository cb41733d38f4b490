"""Receipts of a batch against brute force, and digests that notice what a draw depends on and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from al_core.loop import acquire, pool_view, round_rng
from al_core.pool import PoolView, Selection
from al_core.receipts import digests, receipts
from al_core.strategies.specs import Margin

N, M, D = 60, 9, 5


def _view(seed: int = 0, m: int = M) -> PoolView:
    rng = default_rng(seed)
    rows = rng.standard_normal((N, D)).astype(np.float32) * 3
    known = rng.standard_normal((m, D)).astype(np.float32) * 3
    probabilities = rng.dirichlet(np.ones(3), N).astype(np.float32)
    return pool_view(rows, probabilities, known, np.arange(m, dtype=np.int64) % 3, 3, np.ones(N, np.float32))


def _chosen(view: PoolView, k: int = 6) -> Selection:
    return acquire(Margin(), view, k, round_rng(0, 1, "strategy"))


def _keys(n: int, name: str) -> list[str]:
    return [f"{name}{i}" for i in range(n)]


def test_the_nearest_labelled_clip_and_its_distance_are_those_of_brute_force() -> None:
    view = _view()
    chosen = _chosen(view)
    apart = view.embeddings[chosen.positions][:, None].astype(float) - view.labelled_embeddings[None]
    distances = np.sqrt((apart**2).mean(axis=2))
    found = receipts(view, chosen, default_rng(0))
    assert [one.nearest for one in found] == distances.argmin(axis=1).tolist()
    np.testing.assert_allclose([one.distance for one in found], distances.min(axis=1), rtol=1e-6)


def test_labelled_clips_beyond_one_block_are_looked_at_and_a_copy_is_at_distance_0() -> None:
    view = _view(m=9000)
    chosen = _chosen(view)
    known = view.labelled_embeddings.copy()
    known[8500] = view.embeddings[chosen.positions[2]]
    found = receipts(replace(view, labelled_embeddings=known), chosen, default_rng(0))
    assert (found[2].nearest, found[2].distance) == (8500, 0.0)


def test_without_labels_and_probabilities_there_is_no_neighbour_and_no_guess() -> None:
    view = replace(_view(m=0), probabilities=None)
    for one in receipts(view, _chosen(view), default_rng(0)):
        assert (one.nearest, one.distance, one.guesses) == (None, None, ())
    assert receipts(view, Selection(np.array([], np.int64), np.array([], np.float32)), default_rng(0)) == ()


def test_the_guesses_are_the_two_likeliest_classes() -> None:
    view = _view()
    chosen = _chosen(view)
    for place, one in zip(chosen.positions, receipts(view, chosen, default_rng(0)), strict=True):
        row = view.probabilities[place]
        assert [j for j, _ in one.guesses] == np.argsort(-row)[:2].tolist()
        assert [p for _, p in one.guesses] == pytest.approx(sorted(row, reverse=True)[:2])


def test_a_pick_stands_for_the_clips_around_it() -> None:
    view, rng = _view(), default_rng(1)
    centres = np.repeat(np.eye(3, D, dtype=np.float32) * 50, (30, 20, 10), axis=0)
    grouped = replace(view, embeddings=centres + rng.standard_normal((N, D)).astype(np.float32) / 10)
    chosen = Selection(np.array([0, 35, 59]), np.zeros(3, np.float32))
    found = receipts(grouped, chosen, default_rng(0))
    assert [one.cluster_size for one in found] == [30, 20, 10]
    assert len({one.cluster for one in found}) == 3


def test_a_batch_of_the_whole_pool_stands_for_itself() -> None:
    view = _view()
    found = receipts(view, _chosen(view, N), default_rng(0))
    assert {one.cluster_size for one in found} == {1}


def test_receipts_repeat_and_leave_the_view_as_it_was() -> None:
    view = _view()
    chosen, before = _chosen(view), view.embeddings.copy()
    assert receipts(view, chosen, default_rng(3)) == receipts(view, chosen, default_rng(3))
    np.testing.assert_array_equal(view.embeddings, before)
    np.testing.assert_array_equal(_chosen(view).positions, chosen.positions)


def test_digests_notice_every_part_and_ignore_the_order_of_labels() -> None:
    view, pool, known = _view(), _keys(N, "p"), _keys(M, "l")
    first = digests(view, pool, known, "e", "c")
    back = np.arange(M)[::-1]
    turned = replace(view, labelled_classes=view.labelled_classes[back], labelled_embeddings=view.labelled_embeddings)
    assert digests(turned, pool, known[::-1], "e", "c").labels == first.labels
    assert digests(view, pool, known, "e", "c").whole() == first.whole()
    others = {
        "encoder": digests(view, pool, known, "f", "c"),
        "labels": digests(replace(view, labelled_classes=(view.labelled_classes + 1) % 3), pool, known, "e", "c"),
        "pool": digests(view, pool[::-1], known, "e", "c"),
        "embeddings": digests(replace(view, embeddings=view.embeddings + 1e-3), pool, known, "e", "c"),
        "predictions": digests(replace(view, probabilities=None), pool, known, "e", "c"),
        "checkpoint_labels": digests(view, pool, known, "e", None),
    }
    for name, other in others.items():
        differ = [one for one in type(first).__dataclass_fields__ if getattr(other, one) != getattr(first, one)]
        assert differ == [name]
        assert other.whole() != first.whole()
    limited = replace(view, groups={"speaker": np.zeros(N, np.int64)})
    assert digests(limited, pool, known, "e", "c").pool != first.pool
