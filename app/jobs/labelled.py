"""Labels as the science takes them: clips to train on, the truth to measure against, and why labels do not suffice."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from al_core.evaluation.evaluate import Truth
from al_core.features import Clip
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from app.labels.service import Label


def labelled_clips(own: Sequence[Label], clips: Mapping[int, Clip], scheme: Scheme) -> LabelledClips:
    """The clips of the labels: distributions (n, c), all 0 where no class is known, and dimensions (n, m) with NaN."""
    n, m = len(own), len(scheme.dimensions)
    targets = np.array([label.distribution for label in own], dtype=np.float32).reshape(n, len(scheme))
    values = np.array([label.dimensions for label in own], dtype=np.float32).reshape(n, m) if m else None
    return LabelledClips(tuple(clips[label.clip_id] for label in own), targets, values)


def truth_of(own: Sequence[Label], scheme: Scheme) -> Truth:
    """What the labels say is true, for figures: a class or −1, values of the dimensions or NaN."""
    n, m = len(own), len(scheme.dimensions)
    classes = np.array([-1 if label.name is None else scheme.index(label.name) for label in own], dtype=np.int64)
    return Truth(classes, np.array([label.dimensions for label in own], dtype=np.float32).reshape(n, m))


def why_untrainable(own: Sequence[Label], scheme: Scheme, arm: str) -> str | None:
    """A sentence when nothing can be learned from an arm's labels, None when something can.

    One class cannot be told from none, and the CCC of values that do not differ does not exist.
    """
    these = f"the {len(own)} labels of the {arm} arm"
    if scheme.classes and len({label.name for label in own} - {None}) < 2:
        return f"{these} name fewer than two classes: annotate more to train it"
    for k, dimension in enumerate(scheme.dimensions):
        values = {label.dimensions[k] for label in own if not math.isnan(label.dimensions[k])}
        if len(values) < 2:
            return f"{these} give {dimension.name} fewer than two different values: annotate more to train it"
    return None
