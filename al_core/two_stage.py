"""Two-stage adaptation, what it is judged by: source and target figures of a classifier before and after stage B.

Stage A learns from a corpus that is plentiful (acted emotion, say), stage B from the clips of a project. A recipe asks
for it with `start`; the network's side is `al_core.peft.first_stage`. Stage B is worth it when the target's figures
rise and the source's do not fall: both test sets meet both classifiers, over the classes that the schemes share.

Reference: Lashkarashvili, Wu, Sun & Woodland, "Parameter Efficient Finetuning for Speech Emotion Recognition and Domain
Adaptation", ICASSP 2024, arXiv:2402.11747.
"""

from collections.abc import Sequence

import numpy as np

from al_core.classifier import Classifier, Predictions
from al_core.evaluation.evaluate import Evaluation, Truth, evaluate
from al_core.features import Clip
from al_core.pool import Ints
from al_core.shared_scheme import SharedScheme, shared_scheme

__all__ = ["SharedScheme", "figures_on", "shared_scheme"]


def figures_on(
    classifier: Classifier,
    clips: Sequence[Clip],
    truth: Truth,
    shared: SharedScheme,
    labelled_in_source: bool,
    trained_on_source: bool,
    seed: int = 0,
) -> Evaluation:
    """Figures of either stage's classifier on either test set, over what the schemes share.

    Clips of a class that is not shared are left out; the probabilities of the shared classes are made to sum to 1.

    Args:
        classifier: of stage A or B.
        clips: n test clips.
        truth: their labels, in the scheme of the corpus they come from.
        shared: of the two schemes.
        labelled_in_source: whether `truth` is in the source's scheme; else in the target's.
        trained_on_source: whether the classifier predicts in the source's scheme; else in the target's.
        seed: of the bootstrap.

    Raises:
        EvaluationError: a shared class has no test clip.
    """
    classes = _mapped(truth.classes, shared.source if labelled_in_source else shared.target)
    values = truth.dimensions[:, shared.source_dimensions if labelled_in_source else shared.target_dimensions]
    known = np.flatnonzero((classes >= 0) | np.isfinite(values).any(axis=1)).tolist()
    heard = classifier.predict([clips[i] for i in known])
    columns = list(shared.source if trained_on_source else shared.target)
    probabilities = heard.probabilities[:, columns] + np.float32(1e-12)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    dimensions = heard.dimensions[:, shared.source_dimensions if trained_on_source else shared.target_dimensions]
    return evaluate(
        Predictions(probabilities, dimensions),
        Truth(classes[known], values[known]),
        [clips[i].speaker for i in known],
        shared.scheme,
        seed,
    )


def _mapped(classes: Ints, positions: tuple[int, ...]) -> Ints:
    """Positions in one of the schemes → positions in the shared one, −1 where it has none."""
    place = {position: k for k, position in enumerate(positions)}
    return np.array([place.get(int(position), -1) for position in classes], dtype=np.int64)
