"""What was answered: the live events of a project, in order. An event that another one supersedes is history."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from app.models import COUNTED, Annotation


@dataclass(frozen=True, slots=True)
class Given:
    """One annotator's answer to one clip, in the words of the scheme's `version`.

    `label` is one class, or the strongest of `intensities`; with `unclear` no class could be told.
    """

    annotation_id: int
    clip_id: int
    account_id: int
    version: int
    label: str | None
    intensities: Mapping[str, float] | None
    unclear: bool
    dimensions: Mapping[str, float] | None

    def votes(self) -> Mapping[str, float]:
        """Class → share of this answer: 1 in all, or nothing when it names no class."""
        if self.intensities is None:
            return {} if self.label is None else {self.label: 1.0}
        whole = sum(self.intensities.values())
        return {name: intensity / whole for name, intensity in self.intensities.items() if intensity > 0}


def is_live() -> ColumnElement[bool]:
    """Whether nothing supersedes an annotation, and it is not itself a withdrawal."""
    later = aliased(Annotation)
    return ~exists().where(later.supersedes_id == Annotation.id) & ~Annotation.withdrawn


def is_answer() -> ColumnElement[bool]:
    """Whether an annotation is a live answer that makes labels: no skip, no probe, nothing taken back."""
    return is_live() & Annotation.kind.in_(COUNTED) & Annotation.skip_reason.is_(None)


def live_answers(session: Session, project_id: int, clip_ids: Collection[int] | None = None) -> list[Given]:
    """The answers of a project, or of some of its clips, in the order they were given."""
    wanted = (
        select(
            Annotation.id,
            Annotation.clip_id,
            Annotation.account_id,
            Annotation.scheme_version,
            Annotation.label,
            Annotation.intensities,
            Annotation.unclear,
            Annotation.dimensions,
        )
        .where(Annotation.project_id == project_id, is_answer())
        .order_by(Annotation.id)
    )
    if clip_ids is not None:
        wanted = wanted.where(Annotation.clip_id.in_(clip_ids))
    return [Given(*row) for row in session.execute(wanted)]


def by_clip(answers: Collection[Given]) -> dict[int, list[Given]]:
    """The answers of every clip, in order."""
    found: dict[int, list[Given]] = defaultdict(list)
    for given in answers:
        found[given.clip_id].append(given)
    return dict(found)
