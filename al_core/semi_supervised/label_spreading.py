"""Label spreading: labels flow along a graph of nearest neighbours (Zhou et al., NIPS 2003, published 2004)."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from al_core.linear.standardise import Standard
from al_core.pool import Floats
from al_core.semi_supervised.belief import Believed, most_confident
from al_core.semi_supervised.specs import LabelSpreading

_BLOCK = 2048  # rows compared with all others at once: 0.8 GB of similarities at 100,000 clips
_STEPS = 200
_SETTLED = 1e-6


def label_spreading(finish: LabelSpreading, labelled: Floats, targets: Floats, unlabelled: Floats) -> Believed:
    """F ← α S F + (1 − α) Y until it settles, near (1 − α)(I − α S)⁻¹ Y; S = D^−½ W D^−½.

    W holds the cosine of standardised embeddings between each clip and its nearest neighbours, made symmetric. Y is
    divided by each class's labels, so that a class many clips are labelled with does not flood the graph.

    Args:
        finish: neighbours, α, and how much is believed.
        labelled: (m, d) float32 embeddings.
        targets: (m, c) float32 label distributions.
        unlabelled: (n, d) float32 embeddings, n ≥ 1. A clip that no label reaches is not believed.
    """
    S = _normalised(_neighbours(np.concatenate([labelled, unlabelled]), finish.neighbours))
    Y = np.zeros((S.shape[0], targets.shape[1]))
    Y[: len(targets)] = targets / np.maximum(targets.sum(axis=0), 1e-12)
    F = Y
    for _ in range(_STEPS):
        step = finish.alpha * (S @ F) + (1 - finish.alpha) * Y
        moved, F = np.abs(step - F).max(), step
        if moved < _SETTLED * Y.max():
            break
    reached = F[len(labelled) :]
    mass = reached.sum(axis=1, keepdims=True)
    certain = np.divide(reached, mass, out=np.zeros_like(reached), where=mass > 0)
    return most_confident(certain.astype(np.float32), finish.share, finish.weight)


def _neighbours(X: Floats, k: int) -> csr_array:
    """(n, n) symmetric cosines with k neighbours a row or more, the negative ones left out; X is read in blocks."""
    standard, n = Standard.fit(X), len(X)
    Z = ((X - standard.mean) / standard.scale).astype(np.float32)
    Z /= np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)
    k = min(k, n - 1)
    columns = np.empty((n, k), np.int64)
    cosines = np.empty((n, k), np.float64)
    for start in range(0, n, _BLOCK):
        near = Z[start : start + _BLOCK] @ Z.T
        rows = np.arange(len(near))
        near[rows, start + rows] = -np.inf  # nobody is their own neighbour
        columns[start : start + _BLOCK] = np.argpartition(-near, k - 1, axis=1)[:, :k]
        cosines[start : start + _BLOCK] = np.take_along_axis(near, columns[start : start + _BLOCK], axis=1)
    W = csr_array((np.maximum(cosines, 0).ravel(), columns.ravel(), np.arange(n + 1) * k), shape=(n, n))
    return W.maximum(W.T)


def _normalised(W: csr_array) -> csr_array:
    degrees = W.sum(axis=1)  # (n,)
    root = diags_array(1 / np.sqrt(np.maximum(degrees, 1e-12)))
    return csr_array(root @ W @ root)
