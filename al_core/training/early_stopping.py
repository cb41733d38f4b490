"""What a run is stopped early by, and which weights it keeps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from al_core.classifier import Predictions
from al_core.evaluation.metrics import ccc, confusion, recalls
from al_core.targets import LabelledClips


@dataclass(frozen=True, slots=True)
class DevFigures:
    """How well dev is predicted.

    Attributes:
        uar: mean recall over the classes dev holds: UAR when it holds them all. None without a clip with a class.
        ccc: mean CCC over the dimensions; one whose known values do not exist or do not vary is left out. None where
            none is left.
    """

    uar: float | None = None
    ccc: float | None = None

    @property
    def watched(self) -> float | None:
        """The mean of those there are: what early stopping wants to rise. Both end at 1."""
        known = [figure for figure in (self.uar, self.ccc) if figure is not None]
        return sum(known) / len(known) if known else None


def dev_figures(predictions: Predictions, dev: LabelledClips) -> DevFigures:
    """Compare predictions of dev's clips with its labels."""
    return DevFigures(_uar(predictions, dev), _ccc(predictions, dev))


def _uar(predictions: Predictions, dev: LabelledClips) -> float | None:
    known = dev.targets.sum(axis=1) > 0
    if not known.any():
        return None
    truth, predicted = dev.targets[known].argmax(axis=1), predictions.probabilities[known].argmax(axis=1)
    return float(np.nanmean(recalls(confusion(truth, predicted, dev.targets.shape[1]))))


def _ccc(predictions: Predictions, dev: LabelledClips) -> float | None:
    if dev.dimensions is None:
        return None
    found = []
    for truth, predicted in zip(dev.dimensions.T, predictions.dimensions.T, strict=True):
        known = np.isfinite(truth)
        if known.any() and truth[known].min() < truth[known].max():
            found.append(ccc(truth[known], predicted[known]))
    return float(np.mean(found)) if found else None


@dataclass(frozen=True, slots=True)
class Kept:
    """The best weights so far, those of the start included.

    Attributes:
        epoch: whose end they are of; 0 for the start.
        figures: theirs on dev.
        weights: by name.
    """

    epoch: int
    figures: DevFigures
    weights: dict[str, Tensor]

    def beaten_by(self, figures: DevFigures) -> bool:
        """Whether an epoch with these figures is to be kept instead; without a figure the last epoch is."""
        before, now = self.figures.watched, figures.watched
        return before is None or now is None or now > before

    def exhausted(self, epoch: int, patience: int) -> bool:
        """Whether `patience` epochs have gone by without a better one."""
        return self.figures.watched is not None and epoch - self.epoch >= patience

    def pack(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {"epoch": self.epoch, "uar": self.figures.uar, "ccc": self.figures.ccc, "weights": self.weights}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "Kept":
        """What `pack` gave."""
        return cls(packed["epoch"], DevFigures(packed["uar"], packed["ccc"]), packed["weights"])
