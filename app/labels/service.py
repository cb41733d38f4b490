"""Labels derived from annotations, and the reference labels that came with the import. Nothing here writes.

A clip's label is what its annotations agree on; a tie is a dispute and no label. The label sets of the two arms are
independent: each holds the labels of the clips that arm picked, whichever round or arm had them annotated, and the
labelled seed set that came with the import.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from al_core.agreement import aggregate
from al_core.scheme import Scheme
from app.models import Annotation, Clip, Pick, Round


@dataclass(frozen=True, slots=True)
class Label:
    """The answer a classifier is trained on, its distribution over the scheme's classes, and how many made it.

    A reference label was made by no annotation of ours: `n_answers` is 0.
    """

    clip_id: int
    name: str
    distribution: tuple[float, ...]
    n_answers: int


def count_bought(session: Session, project_id: int) -> int:
    """Training clips with at least one answer: what counts against the project's budget."""
    asked = select(func.count(Annotation.clip_id.distinct())).join(Clip, Clip.id == Annotation.clip_id)
    asked = asked.where(Annotation.project_id == project_id, Annotation.label.is_not(None), Clip.split == "train")
    return session.execute(asked).scalar_one()


def answers(session: Session, project_id: int) -> dict[int, list[str]]:
    """Every answered clip and the labels its annotators gave, in order; skips are no answers."""
    rows = session.execute(
        select(Annotation.clip_id, Annotation.label)
        .where(Annotation.project_id == project_id, Annotation.label.is_not(None))
        .order_by(Annotation.id)
    )
    by_clip: dict[int, list[str]] = defaultdict(list)
    for clip_id, label in rows:
        by_clip[clip_id].append(label or "")
    return dict(by_clip)


def of_arm(session: Session, project_id: int, arm: str, scheme: Scheme) -> list[Label]:
    """The labels of an arm, in order of clip: its answered picks of every round, and the labelled seed set."""
    picked = set(
        session.scalars(
            select(Pick.clip_id)
            .join(Round, Round.id == Pick.round_id)
            .where(Round.project_id == project_id, Pick.arm == arm)
        )
    )
    seed = references(session, project_id, "train", scheme)
    given = {clip_id: names for clip_id, names in answers(session, project_id).items() if clip_id in picked}
    return sorted([*_verdicts(given, scheme), *(label for label in seed if label.clip_id not in given)], key=_clip_id)


def references(session: Session, project_id: int, split: str, scheme: Scheme) -> list[Label]:
    """The reference labels of a split, in order of clip."""
    known = select(Clip.id, Clip.reference_label).where(
        Clip.project_id == project_id, Clip.split == split, Clip.reference_label.is_not(None)
    )
    given = {clip_id: [name or ""] for clip_id, name in session.execute(known.order_by(Clip.id))}
    return [replace(label, n_answers=0) for label in _verdicts(given, scheme)]


def _verdicts(given: dict[int, list[str]], scheme: Scheme) -> list[Label]:
    found = []
    for clip_id, names in given.items():
        verdict = aggregate(names, scheme)
        if verdict.label is not None:
            found.append(Label(clip_id, verdict.label, tuple(map(float, verdict.distribution)), len(names)))
    return found


def _clip_id(label: Label) -> int:
    return label.clip_id
