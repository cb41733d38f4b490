"""Where a head begins: as a linear probe of the frozen encoder where it can, else at random on standardised frames."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from al_core.features import pack_by_length
from al_core.heads import Head
from al_core.linear.standardise import Standard
from al_core.peft.tuned import SECONDS_PER_MINIBATCH, TunedClassifier
from al_core.targets import LabelledClips

# Positions of training clips, what the head reads of them (b, f, d), and its mask (b, f).
Heard = Iterator[tuple[list[int], Tensor, Tensor]]


def start_head(classifier: TunedClassifier, train: LabelledClips) -> Iterator[int]:
    """Start the head; yields how many clips were heard so far.

    Probe first, then fine-tune (Kumar et al., arXiv:2202.10054): a head that starts at random would first distort what
    the encoder knows. One with a hidden layer has no other choice.
    """
    head, heard = classifier.network.eval().head, _heard(classifier, train)
    if head.starts_as_probe:
        steps = _as_probe(head, heard, train, classifier.recipe.class_weighted)
    else:
        steps = _standardised(head, heard, train)
    n_done = 0
    for n in steps:
        n_done += n
        yield n_done


def _heard(classifier: TunedClassifier, train: LabelledClips) -> Heard:
    milliseconds = [round(1000 * clip.duration_s) for clip in train.clips]
    for positions in pack_by_length(milliseconds, round(1000 * SECONDS_PER_MINIBATCH)):
        with torch.no_grad():
            hidden, frame_mask = classifier.frames.read([train.clips[i] for i in positions])
            states = classifier.network.states(hidden, frame_mask)
        yield positions, states, frame_mask


def _as_probe(head: Head, heard: Heard, train: LabelledClips, class_weighted: bool) -> Iterator[int]:
    rows: dict[int, Tensor] = {}
    for positions, states, frame_mask in heard:
        with torch.no_grad():
            pooled = head.pooled(states, frame_mask).float().cpu()  # (b, p)
        rows |= dict(zip(positions, pooled, strict=True))
        yield len(positions)
    together = torch.stack([rows[i] for i in range(len(train))])  # (n, p)
    head.start_from(together.numpy(), train, class_weighted)


def _standardised(head: Head, heard: Heard, train: LabelledClips) -> Iterator[int]:
    n, sums = 0, np.zeros(())
    for positions, states, frame_mask in heard:
        frames = states[frame_mask].cpu().numpy().astype(np.float64)  # (n, d)
        n, sums = n + len(frames), sums + np.stack([frames.sum(axis=0), np.square(frames).sum(axis=0)])
        yield len(positions)
    head.begin(train)
    mean, mean_of_squares = sums / n
    head.trunk.standardise(Standard.of_moments(mean, mean_of_squares))
