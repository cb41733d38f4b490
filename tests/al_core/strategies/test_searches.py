"""The kernels that do not read the pool for every pick choose what the plain searches choose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from al_core.loop import pool_view
from al_core.pool import PoolView
from al_core.strategies import furthest, rows, squares_draw
from al_core.strategies.furthest import furthest_first
from al_core.strategies.query import query
from al_core.strategies.rows import Rows
from al_core.strategies.specs import Badge, CoreSet
from al_core.strategies.squares_draw import Weights

KINDS = pytest.mark.parametrize("kind", ["independent", "clustered", "flat", "copies"])


def embedded(kind: str, n: int = 3000, seed: int = 0) -> np.ndarray:
    rng = default_rng(seed)
    match kind:
        case "independent":
            return rng.normal(size=(n, 24)).astype(np.float32)
        case "clustered":
            centres = rng.normal(size=(30, 24)) * 5
            return (centres[rng.integers(30, size=n)] + rng.normal(size=(n, 24))).astype(np.float32)
        case "flat":
            return rng.uniform(size=(n, 2)).astype(np.float32)
        case _:
            return np.repeat(rng.normal(size=(n // 100, 24)), 100, axis=0).astype(np.float32)


def plain_furthest_first(own: np.ndarray, labelled: np.ndarray, n: int) -> np.ndarray:
    """Radii of the plain search in double precision: of equals any may be picked, the radius is the same."""
    nearest = ((own[:, None].astype(float) - labelled[None]) ** 2).sum(axis=2).min(axis=1)
    radii = []
    for _ in range(n):
        pick = int(nearest.argmax())
        radii.append(np.sqrt(nearest[pick]))
        nearest = np.minimum(nearest, ((own.astype(float) - own[pick]) ** 2).sum(axis=1))
    return np.array(radii)


@KINDS
def test_a_short_list_finds_the_furthest_clip_of_all(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of 16 in a pool of 3,000 must be made anew again and again."""
    monkeypatch.setattr(furthest, "_SHORTLIST", 16)
    monkeypatch.setattr(furthest, "_MOST_AT_ONCE", 64)
    own, labelled = embedded(kind), embedded(kind, 300, seed=1)[::30]
    chosen = furthest_first(Rows((own,)), Rows((labelled,)), 60, default_rng(0))
    radii = plain_furthest_first(own, labelled, 60)
    np.testing.assert_allclose(chosen.scores, radii, atol=1e-2)  # float32 tells copies 0.003 apart
    assert len(set(chosen.positions.tolist())) == 60


@pytest.mark.parametrize("kind", ["independent", "clustered", "flat"])
def test_its_picks_do_not_depend_on_the_length_of_the_list(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, labelled = embedded(kind), embedded(kind, 300, seed=1)[::30]
    whole = furthest_first(Rows((own,)), Rows((labelled,)), 60, default_rng(0)).positions
    monkeypatch.setattr(furthest, "_SHORTLIST", 16)
    part = furthest_first(Rows((own,)), Rows((labelled,)), 60, default_rng(0)).positions
    np.testing.assert_array_equal(part, whole)


def test_bounds_spare_most_of_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than half of the 60 × 3,000 distances of the plain search."""
    monkeypatch.setattr(furthest, "_SHORTLIST", 64)
    compared = 0
    nearest = Rows.nearest

    def counted(self: Rows, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal compared
        compared += len(self) * len(centres)
        return nearest(self, centres)

    monkeypatch.setattr(Rows, "nearest", counted)
    furthest_first(Rows((embedded("clustered"),)), Rows((np.zeros((1, 24), np.float32),)), 60, default_rng(0))
    assert compared + 60 * 64 < 0.5 * 60 * 3000


def gradients(pool: PoolView) -> np.ndarray:
    assert pool.probabilities is not None
    a = pool.probabilities.astype(float)
    a[np.arange(len(a)), a.argmax(axis=1)] -= 1
    return (a[:, :, None] * pool.embeddings[:, None].astype(float)).reshape(len(a), -1)


@pytest.mark.parametrize("tries", [1, 10_000])
def test_the_second_pick_of_badge_is_drawn_by_squared_distance(
    tries: int, a_pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Third picks too, where bounds from the first are out of date; with and without bringing all up to date."""
    monkeypatch.setattr(squares_draw, "_TRIES", tries)
    pool: PoolView = a_pool(0, n=12)
    g = gradients(pool)
    rng = default_rng(0)
    drawn = np.array([query(Badge(), pool, 3, rng).positions for _ in range(800)])
    first = int((g**2).sum(axis=1).argmax())
    assert (drawn[:, 0] == first).all()
    to_first = ((g - g[first]) ** 2).sum(axis=1)
    expected = np.zeros((12, 12))
    for second in range(12):
        nearest = np.minimum(to_first, ((g - g[second]) ** 2).sum(axis=1))
        expected[second] = to_first[second] / to_first.sum() * nearest / nearest.sum()
    counts = np.zeros((12, 12))
    np.add.at(counts, (drawn[:, 1], drawn[:, 2]), 1)
    assert (abs(counts - 800 * expected) < 5 * np.sqrt(800 * expected) + 5).all()


def test_weights_are_drawn_in_proportion_across_blocks() -> None:
    bounds = np.zeros(5000)
    bounds[[3, 1500, 4999]] = [1, 2, 5]
    weights = Weights(bounds)
    rng = default_rng(0)
    drawn = [weights.draw(rng) for _ in range(4000)]
    assert {position: round(drawn.count(position) / 500) for position in set(drawn)} == {3: 1, 1500: 2, 4999: 5}
    for position in (3, 1500, 4999):
        weights.lower(position, 0.0)
    assert weights.draw(rng) is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_any_type_and_many_parts_are_read_as_one_array(dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_BLOCK", 7)
    monkeypatch.setattr(rows, "_CENTRES", 3)
    rng = default_rng(0)
    parts = tuple(rng.normal(size=(n, 5)).astype(dtype) for n in (20, 0, 9))
    read, plain = Rows(parts), np.concatenate(parts).astype(np.float32)
    centres = rng.normal(size=(8, 5)).astype(np.float32)
    distances = ((plain[:, None] - centres) ** 2).sum(axis=2)
    squares, which = read.nearest(centres)
    np.testing.assert_allclose(squares, distances.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(which, distances.argmin(axis=1))
    np.testing.assert_allclose(read.mean(), plain.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(read.lengths(), (plain**2).sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(read.take(np.array([21, 0, 28])), plain[[21, 0, 28]])
    to_last = ((plain - plain[-1]) ** 2).sum(axis=1)
    np.testing.assert_allclose(read.squares_to(plain[-1], read.lengths()), to_last, atol=1e-5)
    products = np.concatenate([block for _, block in read.products(centres)])
    np.testing.assert_allclose(products, plain @ centres.T, atol=1e-5)
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(Rows(parts, unit=True).take(np.arange(29)), unit, rtol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_makes_the_same_picks(a_pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool: PoolView = a_pool(0, n=5000, d=64)
    for strategy in (CoreSet(), Badge()):
        there = query(strategy, pool, 100, default_rng(0)).positions
        monkeypatch.setattr("al_core.strategies.inputs.fastest_device", lambda: torch.device("cpu"))
        np.testing.assert_array_equal(there, query(strategy, pool, 100, default_rng(0)).positions)
        monkeypatch.undo()


def test_half_precision_stays_half_precision_and_is_normalised_all_the_same(tmp_path: Path) -> None:
    rng = default_rng(0)
    plain = (rng.normal(size=(900, 6)) * [1, 10, 100, 0.1, 1, 0] + 3).astype(np.float16)
    mapped = np.memmap(tmp_path / "pool.f16", np.float16, "w+", shape=plain.shape)
    mapped[:] = plain
    views = [
        pool_view(own, None, plain[:50].astype(own.dtype), np.zeros(50, np.int64), 2, np.ones(900, np.float32))
        for own in (mapped, plain.astype(np.float32))
    ]
    assert [view.embeddings.dtype for view in views] == [np.float16, np.float32]
    np.testing.assert_allclose(views[0].embeddings, views[1].embeddings, atol=3e-3)
    everything = np.concatenate([views[1].embeddings, views[1].labelled_embeddings])
    np.testing.assert_allclose(everything.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(everything.std(axis=0), [1, 1, 1, 1, 1, 0], atol=1e-4)


def test_a_part_of_a_pool_keeps_its_columns_and_counts_what_is_taken(a_pool) -> None:
    pool: PoolView = a_pool(0)
    assert pool.probabilities is not None
    part = pool.part(np.array([4, 9]), np.array([7]))
    assert len(part) == 2
    np.testing.assert_array_equal(part.probabilities, pool.probabilities[[4, 9]])
    np.testing.assert_array_equal(part.groups["speaker"], pool.groups["speaker"][[4, 9]])
    np.testing.assert_array_equal(part.labelled_embeddings[-1], pool.embeddings[7])
    assert part.labelled_classes[-1] == pool.probabilities[7].argmax()
    assert part.labelled_dimensions is not None
    assert len(replace(part, labelled_dimensions=None).part(np.array([0]), np.array([1])).labelled_classes) == 17
