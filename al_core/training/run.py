"""What a fine-tuning run is given, and what it refuses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureStore
from al_core.peft.tuned import FirstStage
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import Floats, LabelledClips, TargetError, check_dimensions, class_weights
from al_core.training.errors import TrainError


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything that decides a run, and where it may leave its state.

    Attributes:
        recipe, scheme, encoder, store, train, all_clips: as `al_core.train.fine_tune` is given them; the training clips
            are in order of their keys, so that the order they came in decides nothing.
        dev: None when there is nothing to stop early by.
        state: folder of resumable states; None to keep none.
        processes: that share the work; 1 on the encoder's own device.
        first: the checkpoint the recipe starts from, if any.
    """

    recipe: Recipe
    scheme: Scheme
    encoder: SpeechEncoder
    store: FeatureStore
    train: LabelledClips
    dev: LabelledClips | None
    all_clips: tuple[Clip, ...] = ()
    state: Path | None = None
    processes: int = 1
    first: FirstStage | None = None

    @property
    def device(self) -> torch.device:
        """The encoder's."""
        return next(self.encoder.parameters()).device

    def class_weights(self) -> Floats:
        """(c,) float32: inverse class frequency where the recipe asks for it, otherwise 1."""
        if self.recipe.class_weighted:
            return class_weights(self.train.mass)
        return np.ones(self.train.targets.shape[1], dtype=np.float32)


def by_key(labelled: LabelledClips) -> LabelledClips:
    """The same clips in order of their keys."""
    order = sorted(range(len(labelled)), key=lambda i: labelled.clips[i].key)
    dimensions = None if labelled.dimensions is None else labelled.dimensions[order]
    weights = None if labelled.weights is None else labelled.weights[order]
    return LabelledClips(tuple(labelled.clips[i] for i in order), labelled.targets[order], dimensions, weights)


def check(scheme: Scheme, train: LabelledClips, dev: LabelledClips | None) -> None:
    """Refuse labels that nothing can be learned from.

    Raises:
        TrainError: no clip, a single class, targets that do not fit the scheme, a clip in both train and dev, a
            dimension without ranges, without values, or with one value only.
    """
    if len(train) == 0:
        raise TrainError("there is no labelled clip to train on: label some first")
    for name, part in (("train", train), ("dev", dev)):
        if part is not None and part.targets.shape[1] != len(scheme):
            raise TrainError(f"{name} has {part.targets.shape[1]} columns of targets, the scheme {len(scheme)} classes")
    if scheme.classes:
        _check_classes(scheme, train)
    try:
        check_dimensions(train, scheme)
    except TargetError as error:
        raise TrainError(str(error)) from None
    if dev is not None:
        shared = {clip.key for clip in train.clips} & {clip.key for clip in dev.clips}
        if shared:
            raise TrainError(f"clip {min(shared)} is in train and in dev: keep the splits disjoint")
        if (0 if dev.dimensions is None else dev.dimensions.shape[1]) not in (0, len(scheme.dimensions)):
            raise TrainError(f"dev lacks some of the scheme's {len(scheme.dimensions)} dimensions: give a column each")


def _check_classes(scheme: Scheme, train: LabelledClips) -> None:
    seen = [scheme.classes[i] for i in np.flatnonzero(train.targets.sum(axis=0) > 0)]
    if not seen:
        raise TrainError("no training clip has a class: label some, or use a scheme of dimensions only")
    if len(seen) < 2:
        raise TrainError(f"every training label is {seen[0]!r}: label clips of at least two classes")
