"""Labels derived from annotations, and the reference labels that came with the import. Nothing here writes.

A clip's label is an adjudicator's ruling, or what its annotations amount to by the project's estimator; a dispute is no
label. It can be computed again at any time from the events. The label sets of the two arms are independent: each holds
the labels of the clips that arm picked, whichever round or arm had them annotated. What nobody here was asked for is
the seed set of both: labels that came with the import, and answers imported for training clips that no round picked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from al_core.scheme import Scheme
from app.annotations.settings import ADJUDICATION, SkipPolicy, read_annotating
from app.labels.deciding import UNKNOWN, Decided, counted, decide
from app.labels.given import Given, by_clip, is_answer, is_live, live_answers
from app.labels.mapping import translation
from app.models import RULINGS, Adjudication, Annotation, Clip, GoldClip, Kind, Pick, Project, Round


@dataclass(frozen=True, slots=True)
class Label:
    """The answer a classifier is trained on, its distribution over the scheme's classes, and how many made it.

    Where only dimensions are known, `name` is None and the distribution all 0. `dimensions` are in the scheme's order,
    NaN where unknown. A reference label was made by no annotation of ours: `n_answers` is 0.
    """

    clip_id: int
    name: str | None
    distribution: tuple[float, ...]
    n_answers: int
    dimensions: tuple[float, ...] = ()


def count_bought(session: Session, project_id: int) -> int:
    """Training clips that a round picked with at least one answer: what counts against the project's budget.

    Probes do not count, and answers that were imported for clips of no round cost nothing here.
    """
    asked = select(func.count(Annotation.clip_id.distinct())).join(Clip, Clip.id == Annotation.clip_id)
    picked = exists().where(Pick.clip_id == Annotation.clip_id)
    asked = asked.where(Annotation.project_id == project_id, is_answer(), Clip.split == "train", picked)
    return session.execute(asked).scalar_one()


def answers(session: Session, project_id: int) -> dict[int, list[Given]]:
    """Every answered clip and its answers under the scheme in use, in order; skips and probes are no answers."""
    return by_clip(counted(session, project_id, translation(session, project_id)))


def of_arm(
    session: Session, project_id: int, arm: str, scheme: Scheme, decided: Mapping[int, Decided] | None = None
) -> list[Label]:
    """The labels of an arm, in order of clip: its picks of every round that have one, and the labelled seed set.

    Args:
        session: to read with.
        project_id: whose.
        arm: whose picks.
        scheme: in use.
        decided: what `app.labels.deciding` found, where the caller has it already.
    """
    decided = decide(session, project_id) if decided is None else decided
    picked = picks_of(session, project_id, arm)
    own = {clip_id: found for clip_id, found in decided.items() if clip_id in picked}
    brought = _brought(session, project_id, decided)
    here = own.keys() | brought.keys()
    seed = [label for label in references(session, project_id, "train", scheme) if label.clip_id not in here]
    return sorted([*_labels(own), *_labels(brought), *seed], key=lambda label: label.clip_id)


def picks_of(session: Session, project_id: int, arm: str | None = None) -> set[int]:
    """The clips that an arm, or any, picked in any round of a project."""
    picked = select(Pick.clip_id).join(Round, Round.id == Pick.round_id).where(Round.project_id == project_id)
    return set(session.scalars(picked if arm is None else picked.where(Pick.arm == arm)))


def _brought(session: Session, project_id: int, decided: Mapping[int, Decided]) -> dict[int, Decided]:
    """Training clips that no round picked and somebody answered elsewhere. Nobody listened to them here: 0 answers."""
    training = select(Clip.id).where(Clip.project_id == project_id, Clip.split == "train")
    elsewhere = set(session.scalars(training)) & decided.keys() - picks_of(session, project_id)
    return {clip_id: replace(decided[clip_id], n_answers=0) for clip_id in sorted(elsewhere)}


def of_project(session: Session, project_id: int) -> list[Label]:
    """The labels of all clips that people answered or ruled on, in order of clip."""
    return _labels(decide(session, project_id))


def references(session: Session, project_id: int, split: str, scheme: Scheme) -> list[Label]:
    """What the import said of a split's clips, in order of clip."""
    known = (
        select(Clip.id, Clip.reference_label, Clip.reference_dimensions)
        .where(Clip.project_id == project_id, Clip.split == split)
        .where(Clip.reference_label.is_not(None) | Clip.reference_dimensions.is_not(None))
        .order_by(Clip.id)
    )
    found: dict[int, Decided] = {}
    for clip_id, name, values in session.execute(known):
        distribution = tuple(float(one == name) for one in scheme.classes)
        dimensions = tuple((values or {}).get(dimension.name, UNKNOWN) for dimension in scheme.dimensions)
        if name is not None and scheme.classes:
            scheme.index(name)
        found[clip_id] = Decided(name if scheme.classes else None, distribution, dimensions, 0)
    return _labels(found)


def closed_clips(session: Session, project_id: int) -> set[int]:
    """Clips that no strategy may pick: out for everybody, an adjudicator's, gold clips, examples, and undecided ones.

    A clip is undecided whose answers lost their meaning when a class was split: those who know it are asked again.
    """
    ended = select(Annotation.clip_id).where(
        Annotation.project_id == project_id,
        Annotation.kind == Kind.ANSWER,
        Annotation.effect.in_((SkipPolicy.OUT, ADJUDICATION)),
        is_live(),
    )
    ruled = select(Adjudication.clip_id).where(
        Adjudication.project_id == project_id, Adjudication.decision.in_(RULINGS)
    )
    gold = select(GoldClip.clip_id).where(GoldClip.project_id == project_id)
    stored = session.execute(select(Project.annotating).where(Project.id == project_id)).scalar_one()
    shown = {clip_id for clips in read_annotating(stored).examples.values() for clip_id in clips}
    answered = {given.clip_id for given in live_answers(session, project_id)}
    undecided = answered - answers(session, project_id).keys()
    return shown | undecided | {clip_id for wanted in (ended, ruled, gold) for clip_id in session.scalars(wanted)}


def _labels(found: Mapping[int, Decided]) -> list[Label]:
    """Those of them that are labels: with a class, or with a value of a dimension."""
    return [
        Label(clip_id, one.name, one.distribution, one.n_answers, one.dimensions)
        for clip_id, one in found.items()
        if one.name is not None or any(value == value for value in one.dimensions)  # NaN differs from itself
    ]
