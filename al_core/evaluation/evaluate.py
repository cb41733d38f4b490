"""Evaluate predictions on the fixed test split: the figures of a learning-curve point, each with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Self

import numpy as np

from al_core.evaluation.figures.classes import ClassFigures, class_figures
from al_core.evaluation.figures.dimensions import DimensionFigures, dimension_figures
from al_core.pool import Floats, Ints
from al_core.scheme import Scheme

if TYPE_CHECKING:  # both import torch, which figures do without
    from al_core.classifier import Predictions
    from al_core.targets import LabelledClips


class EvaluationError(ValueError):
    """A test split or predictions that cannot be evaluated; the sentence says what is lacking or broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Labels of n test clips.

    Attributes:
        classes: (n,) int64 positions in the scheme, −1 where unknown.
        dimensions: (n, m) float32 on the scheme's own scales, NaN where unknown; (n, 0) without dimensions.
    """

    classes: Ints
    dimensions: Floats

    @classmethod
    def of(cls, labelled: "LabelledClips") -> Self:
        """The labels of labelled clips; of a label distribution, its most likely class."""
        known = labelled.targets.sum(axis=1) > 0
        classes = np.full(len(labelled), -1, dtype=np.int64)
        if known.any():
            classes[known] = labelled.targets[known].argmax(axis=1)
        nothing = np.zeros((len(labelled), 0), dtype=np.float32)
        return cls(classes, nothing if labelled.dimensions is None else labelled.dimensions)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one classifier on the test split.

    Attributes:
        n: clips evaluated.
        classes: None for a scheme without classes.
        dimensions: in the scheme's order; empty without dimensions.
    """

    n: int
    classes: ClassFigures | None
    dimensions: tuple[DimensionFigures, ...]


def evaluate(
    predictions: "Predictions",
    truth: Truth,
    speakers: Sequence[str | None],
    scheme: Scheme,
    seed: int = 0,
    resamples: int = 2000,
) -> Evaluation:
    """Every figure with a 95 % percentile interval, by resampling *speakers* with replacement (`bootstrap.py`).

    Clips without a class count for no figure of the classes, clips without a value for none of that dimension.

    Args:
        predictions: of the n test clips.
        truth: their labels.
        speakers: n names, None where unknown.
        scheme: whose classes are averaged over.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        EvaluationError: lengths differ, a prediction is not finite, a class of the scheme has no test clip, or a
            dimension fewer than two different values.
    """
    check_fit(predictions, truth, speakers, scheme)
    classes = None
    if scheme.classes:
        lacking = [name for k, name in enumerate(scheme.classes) if not (truth.classes == k).any()]
        if lacking:
            raise EvaluationError(
                f"the test split has no clip of {', '.join(lacking)}: add test speakers who have them"
            )
        known = truth.classes >= 0
        own = list(compress(speakers, known))
        classes = class_figures(predictions.probabilities[known], truth.classes[known], own, seed, resamples)
    dimensions = []
    for k, dimension in enumerate(scheme.dimensions):
        known = np.isfinite(truth.dimensions[:, k])
        values, predicted = truth.dimensions[known, k], predictions.dimensions[known, k]
        if len(np.unique(values)) < 2:
            raise EvaluationError(
                f"the test split has {len(values)} values of {dimension.name}, no two that differ: CCC does not exist"
            )
        own = list(compress(speakers, known))
        dimensions.append(dimension_figures(dimension.name, predicted, values, own, seed, resamples))
    return Evaluation(len(truth.classes), classes, tuple(dimensions))


def check_fit(predictions: "Predictions", truth: Truth, speakers: Sequence[str | None], scheme: Scheme) -> None:
    """Refuse what does not fit together.

    Raises:
        EvaluationError: lengths or columns differ, a label is outside the scheme, or a prediction is not finite.
    """
    n, c, m = len(truth.classes), len(scheme.classes), len(scheme.dimensions)
    if predictions.probabilities.shape != (n, c) or len(speakers) != n:
        raise EvaluationError(
            f"{predictions.probabilities.shape} probabilities, {n} labels and {len(speakers)} speakers do not fit"
        )
    if predictions.dimensions.shape != (n, m) or truth.dimensions.shape != (n, m):
        raise EvaluationError(
            f"{predictions.dimensions.shape} predicted and {truth.dimensions.shape} true dimensions do not fit {n} "
            f"clips and a scheme with {m}"
        )
    if (truth.classes >= max(c, 1)).any():
        raise EvaluationError(f"a label lies outside the scheme of {c} classes")
    if not np.isfinite(predictions.probabilities).all() or not np.isfinite(predictions.dimensions).all():
        raise EvaluationError("a prediction is NaN or infinite: the classifier is broken, train it again")
