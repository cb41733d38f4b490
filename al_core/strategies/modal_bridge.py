"""An Afterloop strategy as the `query_strategy` of a modAL `ActiveLearner` (the other way round: `modal`)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from al_core.loop import acquire, pool_view
from al_core.pool import Floats, Ints
from al_core.strategies.specs import Passes, Strategy, passes_of

ModalStrategy = Callable[..., tuple[Ints, Floats]]


def as_modal_strategy(strategy: Strategy, rng: Generator) -> ModalStrategy:
    """A callable `(learner, X, n_instances=1) → (indices, metric)` for `modAL.models.ActiveLearner(query_strategy=…)`.

    It reads `predict_proba`, `X_training` and `y_training` of the learner, and always returns the tuple: modAL takes
    two bare indices for (index, metric). modAL 0.4.2.1 cannot `teach()` on scikit-learn ≥ 1.8, so fit the estimator
    yourself and hand it over fitted; an unfitted one is a cold start. Dropout passes put columns of X at the pool's
    mean, as no estimator shows its last layer. A learner has no dimensions and no loss profiles: strategies that read
    those refuse.
    """

    def query_strategy(learner: Any, X: NDArray[np.floating], n_instances: int = 1) -> tuple[Ints, Floats]:
        try:
            probabilities = np.asarray(learner.predict_proba(X), dtype=np.float32)
        except NotFittedError:
            probabilities = None
        labelled, classes, n_classes = _training(learner, X)
        durations = np.ones(len(X), np.float32)  # modAL knows rows, not seconds
        pool = pool_view(np.asarray(X), probabilities, labelled, classes, n_classes, durations)
        passes = passes_of(strategy)
        if passes is not None and probabilities is not None:
            pool = replace(pool, samples=_dropout(learner, np.asarray(X), passes, rng))
        chosen = acquire(strategy, pool, n_instances, rng)
        return chosen.positions, chosen.scores

    return query_strategy


def _dropout(learner: Any, X: NDArray[np.floating], passes: Passes, rng: Generator) -> Floats:
    """(n, S, c) predictions of X without some of its columns, the same for all rows of a pass."""
    mean = X.mean(axis=0)
    masks = (rng.random((passes.passes, X.shape[1])) >= passes.dropout) / (1 - passes.dropout)
    return np.stack([learner.predict_proba(mean + (X - mean) * mask) for mask in masks], axis=1).astype(np.float32)


def _training(learner: Any, X: NDArray[np.floating]) -> tuple[Floats, Ints, int]:
    """Embeddings (m, d) and class positions (m,) of the learner's training rows, and how many classes it knows."""
    known = np.asarray(getattr(learner.estimator, "classes_", ()))
    if learner.X_training is None:
        # One that was never fitted will know some: 0 would mean a scheme without classes.
        return np.empty((0, X.shape[1]), np.float32), np.empty(0, np.int64), max(len(known), 1)
    y = np.asarray(learner.y_training)
    names = known if len(known) else np.unique(y)
    return np.asarray(learner.X_training, np.float32), np.searchsorted(names, y).astype(np.int64), len(names)
