"""Fairness between groups of speakers: figures of each group, and the gaps between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from al_core.evaluation.evaluate import EvaluationError, Truth, check_fit
from al_core.evaluation.figures.groups import GroupFigures, group_figures
from al_core.evaluation.figures.parity import Gap, gaps
from al_core.scheme import Scheme

if TYPE_CHECKING:  # imports torch, which figures do without
    from al_core.classifier import Predictions

MIN_CLIPS = 20
MIN_CLASS_CLIPS = 5
MAX_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Fairness:
    """How differently one classifier treats the groups of one column.

    Attributes:
        groups: every group that occurs, by name.
        demographic_parity, statistical_parity, equal_opportunity: gaps between the groups that have enough clips, see
            `al_core.evaluation.figures.parity`; None where fewer than two have.
        notes: sentences about groups and classes left out.
    """

    groups: tuple[GroupFigures, ...]
    demographic_parity: Gap | None
    statistical_parity: Gap | None
    equal_opportunity: Gap | None
    notes: tuple[str, ...]


def fairness(
    predictions: "Predictions",
    truth: Truth,
    groups: Sequence[str | None],
    speakers: Sequence[str | None],
    scheme: Scheme,
    seed: int = 0,
    resamples: int = 2000,
) -> Fairness:
    """UAR and WA of every group, and the gaps between groups per class.

    A gap between a few clips says nothing: groups with fewer than 20 clips stay out of the gaps, and a class for which
    fewer than two groups have 5 clips has no gap of opportunity. `notes` names them.

    Args:
        predictions: of the n test clips.
        truth: their labels; clips without a class do not count.
        groups: n names (of a gender, a language, an age band), None where unknown; such clips do not count.
        speakers: n names, None where unknown.
        scheme: whose classes are compared.
        seed, resamples: of the bootstrap over speakers.

    Raises:
        EvaluationError: the scheme has no classes, no clip has a class and a group, the column has more than 50
            groups, or as of `evaluate.check_fit`.
    """
    check_fit(predictions, truth, speakers, scheme)
    if not scheme.classes:
        raise EvaluationError("fairness compares how classes are recognised: this scheme has none")
    if len(groups) != len(truth.classes):
        raise EvaluationError(f"{len(groups)} groups for {len(truth.classes)} clips: give one (or None) a clip")
    counted = [i for i, group in enumerate(groups) if group is not None and truth.classes[i] >= 0]
    if not counted:
        raise EvaluationError("no test clip has both a class and a group: import the column with the clips")
    names = np.array([str(groups[i]) for i in counted])
    if len(np.unique(names)) > MAX_GROUPS:
        raise EvaluationError(f"the column has {len(np.unique(names))} groups: choose one with at most {MAX_GROUPS}")
    labels, predicted = truth.classes[counted], predictions.probabilities[counted].argmax(axis=1).astype(np.int64)
    own = [speakers[i] for i in counted]
    figures = tuple(
        group_figures(str(name), labels, predicted, names == name, own, scheme, seed, resamples)
        for name in np.unique(names)
    )
    notes = _notes(figures, len(groups) - len(counted), scheme)
    compared = [group.name for group in figures if group.n >= MIN_CLIPS]
    if len(compared) < 2:
        return Fairness(figures, None, None, None, (*notes, "there are no two groups to compare: no gap is given"))
    rows = np.flatnonzero(np.isin(names, compared))
    parity = gaps(
        labels[rows],
        predicted[rows],
        names[rows],
        [own[i] for i in rows],
        scheme,
        min_class_clips=MIN_CLASS_CLIPS,
        seed=seed,
        resamples=resamples,
    )
    opportunity = parity.equal_opportunity
    without = [k for k in range(len(scheme)) if opportunity is None or opportunity.per_class[k] is None]
    if without:
        lacking = ", ".join(scheme.classes[k] for k in without)
        notes += (f"fewer than two groups have {MIN_CLASS_CLIPS} clips of {lacking}: no gap of opportunity is given",)
    return Fairness(figures, parity.demographic_parity, parity.statistical_parity, opportunity, notes)


def _notes(figures: tuple[GroupFigures, ...], n_left_out: int, scheme: Scheme) -> tuple[str, ...]:
    notes = []
    if n_left_out:
        notes.append(f"{n_left_out} clips have no class or no group: they are left out")
    for group in figures:
        if group.n < MIN_CLIPS:
            notes.append(f"group {group.name} has {group.n} clips, fewer than {MIN_CLIPS}: it is left out of the gaps")
        if group.lacks:
            notes.append(
                f"group {group.name} has no clip of {', '.join(group.lacks)}: its UAR is the mean over the other "
                f"{len(scheme.classes) - len(group.lacks)}"
            )
    return tuple(notes)
