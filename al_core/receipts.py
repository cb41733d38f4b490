"""Receipts: why each clip of a batch is there, and a digest of everything the batch was drawn from."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.clustering import cluster
from al_core.strategies.inputs import finite_rows
from al_core.strategies.rows import Rows
from al_core.targets import labels_digest

_ROWS_TO_FIT = 4_000  # clusters are told, not chosen by: rough centres will do
_ROWS_A_CLUSTER = 20
_BLOCK = 8192  # rows hashed at once


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was true of one picked clip when it was picked.

    Attributes:
        nearest: position of the nearest labelled clip among the arm's; None when nothing was labelled.
        distance: √(‖x − y‖² / d) to it, in standard deviations a column: 0 is a copy, √2 what two clips that have
            nothing in common are apart, however wide the embeddings are.
        cluster: which of the batch's clusters it lies in; the numbers mean nothing else.
        cluster_size: clips of the pool in that cluster, itself among them: how many it stands for.
        guesses: (class, probability) of the two likeliest classes, the likelier first; empty before any classifier.
    """

    nearest: int | None
    distance: float | None
    cluster: int
    cluster_size: int
    guesses: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Digests:
    """sha256 of each thing a batch was drawn from; the last two are None where no classifier was asked.

    Attributes:
        encoder: of the encoder.
        labels: of the arm's labelled clips with their classes and dimensions, in any order.
        pool: of the pool's clips, durations and groups, in order: a draw is of positions.
        embeddings: of pool and labelled clips as the strategy compared them.
        predictions: of everything the classifier said of the pool, dropout passes included.
        checkpoint_labels: of the labels that classifier was trained on.
    """

    encoder: str
    labels: str
    pool: str
    embeddings: str
    predictions: str | None
    checkpoint_labels: str | None

    def whole(self) -> str:
        """One digest of them all: equal for two draws from the same."""
        return hashlib.sha256("\n".join(one or "none" for one in astuple(self)).encode()).hexdigest()


def receipts(pool: PoolView, selection: Selection, rng: Generator) -> tuple[Receipt, ...]:
    """A receipt for each pick, in the order of the selection, which is only read.

    The clusters are k-means of the pool with as many clusters as picks, whatever the strategy; they are fitted on 4,000
    rows or 20 a cluster.

    Args:
        pool: what was chosen from.
        selection: what was chosen.
        rng: for k-means; a generator of its own, so that no draw of a strategy depends on receipts.

    Raises:
        StrategyError: an embedding is not finite.
    """
    k = len(selection.positions)
    if k == 0:
        return ()
    own, labelled = finite_rows(pool)
    neighbours = _nearest(own.take(selection.positions), labelled)
    clusters = _clusters(own, k, rng)
    sizes = np.bincount(clusters)
    of_pick = clusters[selection.positions]
    guesses = _likeliest(pool.probabilities, selection.positions)
    return tuple(
        Receipt(*neighbour, int(number), int(sizes[number]), guess)
        for neighbour, number, guess in zip(neighbours, of_pick, guesses, strict=True)
    )


def digests(
    pool: PoolView,
    pool_keys: Sequence[str],
    labelled_keys: Sequence[str],
    encoder: str,
    checkpoint_labels: str | None,
) -> Digests:
    """The digests of a view.

    Args:
        pool: of n clips and m labelled ones.
        pool_keys: (n,) `Clip.key`.
        labelled_keys: (m,).
        encoder: digest of the encoder.
        checkpoint_labels: `labels_digest` of the checkpoint that was asked.
    """
    classes = pool.labelled_classes.astype(np.float32)[:, None]
    said = (pool.probabilities, pool.samples, pool.dimensions, pool.dimension_samples)
    return Digests(
        encoder=encoder,
        labels=labels_digest(labelled_keys, classes, pool.labelled_dimensions),
        pool=_digest(
            [
                np.array(pool_keys, dtype=np.bytes_),
                pool.durations_s,
                *(pool.groups[name] for name in sorted(pool.groups)),
            ]
        ),
        embeddings=_digest([pool.embeddings, pool.labelled_embeddings, *_given(pool.loss_profile)]),
        predictions=_digest(said) if any(one is not None for one in said) else None,
        checkpoint_labels=checkpoint_labels,
    )


def _given(array: Floats | None) -> list[Floats]:
    """The array where there is one: a digest without it stays what it was before there were any."""
    return [] if array is None else [array]


def _nearest(picked: Floats, labelled: Rows) -> list[tuple[int | None, float | None]]:
    """Position and distance of each picked row's nearest labelled row, which are read in blocks."""
    if len(labelled) == 0:
        return [(None, None)] * len(picked)
    rows = Rows((picked,), device=labelled.device)
    least = np.full(len(picked), np.inf, np.float32)
    which = np.zeros(len(picked), np.int64)
    for where, block in labelled.blocks():
        squares, index = rows.nearest(block.cpu().numpy())
        nearer = squares < least
        least[nearer], which[nearer] = squares[nearer], index[nearer] + where.start
    # ‖x‖² − 2 x·y + ‖y‖² found them; between near-copies it cancels, so their distance is taken from the difference
    apart = picked.astype(np.float64) - labelled.take(which)
    distances = np.sqrt((apart**2).mean(axis=1))
    return [(int(one), float(distance)) for one, distance in zip(which, distances, strict=True)]


def _clusters(rows: Rows, k: int, rng: Generator) -> Ints:
    """(n,) the cluster of every clip; a batch that takes the whole pool has every clip stand for itself."""
    if k >= len(rows):
        return np.arange(len(rows))
    return cluster(rows, k, rng, max(_ROWS_TO_FIT, _ROWS_A_CLUSTER * k)).of_row


def _likeliest(probabilities: Floats | None, positions: Ints) -> list[tuple[tuple[int, float], ...]]:
    """The two likeliest classes of each position with their probabilities."""
    if probabilities is None:
        return [()] * len(positions)
    rows = probabilities[positions]  # (k, c)
    best = np.argsort(-rows, axis=1, kind="stable")[:, :2]
    return [tuple((int(j), float(row[j])) for j in two) for row, two in zip(rows, best, strict=True)]


def _digest(arrays: Iterable[NDArray[Any] | None]) -> str:
    """sha256 over the arrays' types, shapes and bytes, read in blocks; an array that is None counts as itself."""
    sha256 = hashlib.sha256()
    for array in arrays:
        if array is None:
            sha256.update(b"none;")
            continue
        sha256.update(f"{array.dtype.str}{array.shape};".encode())
        for start in range(0, len(array), _BLOCK):
            sha256.update(np.ascontiguousarray(array[start : start + _BLOCK]).data)
    return sha256.hexdigest()
