"""Which unlabelled clips are believed to be what they are taken for, and how much each of them counts."""

from dataclasses import dataclass

import numpy as np

from al_core.pool import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Believed:
    """k of n unlabelled clips with a label each.

    Attributes:
        positions: (k,) int64 into the unlabelled clips, rising.
        targets: (k, c) float32 one-hot rows.
        weights: (k,) float32 beside a labelled clip's 1.
    """

    positions: Ints
    targets: Floats
    weights: Floats


def most_confident(probabilities: Floats, share: float, weight: float) -> Believed:
    """Of the clips that each class is likeliest for, the most confident share, at least one: no rare class is starved.

    Class-balanced quotas in place of one threshold: a classifier is less confident of rare classes, so a threshold
    would believe the frequent ones alone (Zou et al., arXiv:1810.07911). Labels are hard: a soft one would teach the
    classifier what it says already.

    Args:
        probabilities: (n, c) float32, rows summing to 1; a row of zeros is a clip nothing is known of.
        share: of each class, above 0 and at most 1.
        weight: of a clip of confidence 1; others count less in proportion.
    """
    likeliest, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen: list[Ints] = []
    for k in range(probabilities.shape[1]):
        own = np.flatnonzero((likeliest == k) & (confidence > 0))
        order = np.argsort(-confidence[own], kind="stable")
        chosen.append(own[order[: max(1, round(share * len(own)))]])
    positions = np.sort(np.concatenate(chosen)).astype(np.int64)
    targets = np.eye(probabilities.shape[1], dtype=np.float32)[likeliest[positions]]
    return Believed(positions, targets, (weight * confidence[positions]).astype(np.float32))
