"""What a second stage gained and lost: source and target figures, before and after, on both test splits."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from al_core.classifier import Classifier
from al_core.evaluation.evaluate import Evaluation, EvaluationError
from al_core.recipe import RecipeError, Start
from al_core.shared_scheme import SharedScheme, shared_scheme
from al_core.two_stage import figures_on
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.figures import as_plain
from app.jobs.measuring import Split, read_split
from app.models import Project
from app.projects.stages import first_stage, scheme_of

Side = Literal["source", "target"]


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """Both test splits and what the first stage's classifier makes of them, over what the two schemes share.

    `project` is the first stage's, by name; `reasons` says why a side has no split to measure on.
    """

    checkpoint_id: int
    project: str
    shared: SharedScheme
    splits: dict[Side, Split]
    reasons: dict[Side, str]
    before: dict[Side, dict[str, Any]]

    @classmethod
    def read(cls, context: JobContext, start: Start, target: Split) -> Self:
        """Open the first stage and measure it, once for all arms.

        Raises:
            EvaluationError: the two schemes share nothing any more.
        """
        with context.db.read() as session:
            first = first_stage(session, start)
            scheme = scheme_of(session, first)
            project = session.get_one(Project, first.project_id).name
        try:
            shared = shared_scheme(scheme, target.scheme, start)
        except RecipeError as error:
            raise EvaluationError(str(error)) from error
        splits: dict[Side, Split] = {"target": target}
        reasons: dict[Side, str] = {}
        try:
            splits["source"] = read_split(context, "test", first.project_id)
            if splits["source"].scheme != scheme:
                raise EvaluationError("the first stage's project has another scheme now than its checkpoint answers in")
        except EvaluationError as error:
            splits.pop("source", None)
            reasons["source"] = str(error)
        classifier = open_classifier(context, first)
        before = {side: _figures(classifier, split, shared, side, is_first=True) for side, split in splits.items()}
        return cls(first.id, project, shared, splits, reasons, before)

    def compare(self, classifier: Classifier) -> dict[str, Any]:
        """The report of a second stage's classifier: side → before and after, or the reason why not."""
        found: dict[str, Any] = {
            "checkpoint_id": self.checkpoint_id,
            "project": self.project,
            "classes": list(self.shared.scheme.classes),
            "dimensions": [dimension.name for dimension in self.shared.scheme.dimensions],
        }
        for side, split in self.splits.items():
            after = _figures(classifier, split, self.shared, side, is_first=False)
            found[side] = {"before": self.before[side], "after": after}
        return found | {side: {"reason": reason} for side, reason in self.reasons.items()}


def _figures(classifier: Classifier, split: Split, shared: SharedScheme, side: Side, is_first: bool) -> dict[str, Any]:
    try:
        found = figures_on(classifier, split.clips, split.truth, shared, side == "source", is_first)
    except EvaluationError as error:
        return {"reason": str(error)}
    return _cell(found)


def _cell(found: Evaluation) -> dict[str, Any]:
    classes = found.classes
    cell = {
        "uar": None if classes is None else classes.uar,
        "low": None if classes is None else classes.uar_low,
        "high": None if classes is None else classes.uar_high,
        "n": found.n,
        "dimensions": [
            {"name": one.name, "ccc": one.ccc, "low": one.ccc_low, "high": one.ccc_high} for one in found.dimensions
        ],
    }
    plain: dict[str, Any] = as_plain(cell)
    return plain
