"""A modAL-style callable as the strategy of a round (the other way round: `modal_bridge`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.pool import Floats, Ints, PoolView, Selection
from al_core.strategies.inputs import finite_embeddings, trained_probabilities
from al_core.strategies.specs import StrategyError


class ModalCallable(Protocol):
    """modAL's query interface: `(learner, X, n_instances) → (indices, metric)`."""

    def __call__(self, learner: Any, X: Any, *, n_instances: int) -> Any:
        """Choose n_instances rows of X."""


@dataclass(frozen=True, eq=False, slots=True)
class RoundLearner:
    """What a modAL callable sees of a round: predictions of the pool and the training clips, nothing to train.

    Attributes:
        X_pool: (n, d) float32, the X the callable is given.
        probabilities: (n, c) float64 of the same rows.
        X_training: (m, d) float32, or None before any label exists, as in modAL.
        y_training: (m,) int64.
        on_transformed: False: X is already what distances are measured in.
    """

    X_pool: Floats
    probabilities: NDArray[np.float64]
    X_training: Floats | None
    y_training: Ints | None
    on_transformed: bool = False

    @property
    def estimator(self) -> "RoundLearner":
        """Itself: callables that look for the estimator find the same predictions."""
        return self

    @property
    def classes_(self) -> Ints:
        """(c,) positions in the scheme."""
        return np.arange(self.probabilities.shape[1], dtype=np.int64)

    def predict_proba(self, X: Floats) -> NDArray[np.float64]:
        """(n, c) probabilities of the pool; StrategyError for any other rows, which the round has not predicted."""
        if X is not self.X_pool and not np.array_equal(X, self.X_pool):
            raise StrategyError("a round predicts its pool only: the callable asked for other rows than X")
        return self.probabilities.copy()

    def predict(self, X: Floats) -> Ints:
        """(n,) most likely class of each clip of the pool."""
        likely: Ints = self.predict_proba(X).argmax(axis=1).astype(np.int64)
        return likely

    def transform_without_estimating(self, X: Floats) -> Floats:
        """X unchanged; modAL's ranked batch asks for it."""
        return X


def select(pool: PoolView, n: int, rng: Generator, path: str) -> Selection:
    """n positions chosen by the callable named `path`, in its order.

    The score is the callable's own metric, whatever its sign, or −rank when it returns none of shape (n,).

    Reference: Danka & Horvath, *modAL: a modular active learning framework for Python*, arXiv:1805.00979.

    Raises:
        StrategyError: the path cannot be imported, the callable fails, or it does not return n different positions.
    """
    embeddings, labelled = finite_embeddings(pool)
    learner = RoundLearner(
        X_pool=embeddings,
        probabilities=trained_probabilities(pool),
        X_training=labelled if len(labelled) else None,
        y_training=pool.labelled_classes if len(labelled) else None,
    )
    call = resolve(path)
    with _global_numpy_seed(int(rng.integers(2**32))):
        try:
            answer = call(learner, embeddings, n_instances=n)
        except Exception as error:  # the callable is the user's: whatever it raises ends the round with its name
            raise StrategyError(f"{path} failed: {type(error).__name__}: {error}") from error
    return _checked(answer, path, n, len(pool))


def resolve(path: str) -> ModalCallable:
    """The callable behind `package.module:name`.

    Raises:
        StrategyError: no such module, no such name, or not callable.
    """
    module_name, _, name = path.partition(":")
    try:
        found: ModalCallable = getattr(import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StrategyError(f"cannot import the query strategy {path!r}: {error}") from error
    if not callable(found):
        raise StrategyError(f"{path!r} is not callable: name a function (learner, X, n_instances) → (indices, metric)")
    return found


def _checked(answer: object, path: str, n: int, n_pool: int) -> Selection:
    """The callable's answer as a Selection; a 2-tuple is (indices, metric), anything else indices alone."""
    indices, metric = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    positions = np.atleast_1d(np.asarray(indices))
    usable = positions.ndim == 1 and np.issubdtype(positions.dtype, np.integer)
    if not usable or len(positions) != n or len(np.unique(positions)) != n:
        raise StrategyError(f"{path} must return the tuple (indices, metric) with {n} different positions of X")
    if positions.min() < 0 or positions.max() >= n_pool:
        raise StrategyError(f"{path} chose a position outside the pool of {n_pool}")
    scores = np.atleast_1d(np.asarray(-np.arange(n) if metric is None else metric))
    if scores.shape != (n,):
        scores = -np.arange(n)
    return Selection(positions.astype(np.int64), scores.astype(np.float32))


@contextmanager
def _global_numpy_seed(seed: int) -> Iterator[None]:
    """modAL breaks ties with numpy's global generator: seed it for the call, so that a round can be replayed."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
