"""Measure a checkpoint on a split: what its labels say is true, what it hears, and how groups fare."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from al_core.classifier import Classifier, Predictions
from al_core.evaluation.evaluate import EvaluationError, Truth
from al_core.evaluation.fairness import fairness
from al_core.features import Clip
from al_core.scheme import Scheme
from app import models
from app.jobs.context import JobContext
from app.jobs.figures import as_plain, warnings_of
from app.jobs.labelled import truth_of
from app.labels import service as labels
from app.specs import read_scheme

OWN_COLUMNS = ("gender", "session")


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The clips of a project's split that have a reference label, and what is true of them."""

    scheme: Scheme
    ids: tuple[int, ...]
    clips: tuple[Clip, ...]
    truth: Truth

    @property
    def speakers(self) -> list[str | None]:
        """Who speaks in each clip."""
        return [clip.speaker for clip in self.clips]


def read_split(context: JobContext, split: str, project_id: int | None = None) -> Split:
    """A split of the job's project, or of another one.

    Raises:
        EvaluationError: no clip of it has a reference label.
    """
    whose = context.claim.project_id if project_id is None else project_id
    with context.db.read() as session:
        scheme = read_scheme(session.get_one(models.Project, whose).scheme)
        known = labels.references(session, whose, split, scheme)
    if not known:
        raise EvaluationError(
            f"no {split} clip has a reference label: import some with split={split} and a label, or values of the "
            "scheme's dimensions"
        )
    clips = context.clips(split, whose)
    ids = tuple(label.clip_id for label in known)
    return Split(scheme, ids, tuple(clips[i] for i in ids), truth_of(known, scheme))


def hear(classifier: Classifier, measured: Split) -> Predictions:
    """What a classifier says of the split's clips; EvaluationError when it answers in another scheme."""
    if classifier.scheme != measured.scheme:
        raise EvaluationError("the checkpoint answers in another scheme than the project has now: train a new one")
    return classifier.predict(measured.clips)


def compare_groups(
    context: JobContext, predictions: Predictions, measured: Split, setting: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """Fairness for every column of a project's setting, as rows store it, and the warnings it gives.

    A column that cannot be compared has a `reason` in place of figures, which is a warning too.
    """
    found: dict[str, Any] = {}
    warnings: list[str] = []
    for column in (setting or {}).get("columns", ()):
        groups = _groups(context, measured.ids, column)
        try:
            one = fairness(predictions, measured.truth, groups, measured.speakers, measured.scheme)
        except EvaluationError as error:
            found[column] = {"reason": str(error)}
            warnings.append(f"{column}: {error}")
            continue
        found[column] = as_plain(asdict(one))
        warnings += warnings_of(column, one, (setting or {})["limit"], measured.scheme)
    return found, warnings


def _groups(context: JobContext, ids: Sequence[int], column: str) -> list[str | None]:
    """What a column says of each clip, None where it says nothing."""
    told = getattr(models.Clip, column) if column in OWN_COLUMNS else models.Clip.attributes
    wanted = select(models.Clip.id, told).where(models.Clip.project_id == context.claim.project_id)
    with context.db.read() as session:
        known = {row[0]: row[1] for row in session.execute(wanted)}
    if column in OWN_COLUMNS:
        return [known[i] for i in ids]
    return [known[i].get(column) for i in ids]
