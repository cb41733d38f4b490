"""What a clip's answers add up to: the labels that classifiers are trained on, with what they rest on.

A plain majority is decided page by page, so labels stream like answers do. Estimators that learn about annotators, and
dimensions, which weigh them, look at all answers of a project at once: what they decided is held while rows stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.orm import Session

from al_core.agreement import Majority, estimate, votes_of
from app.annotations.settings import read_annotating
from app.exports.records import CLIPS_A_READ, ClipRecords, Read, Record, clips
from app.labels.deciding import Decided, decide, event_of, says_class
from app.labels.given import Given, live_answers
from app.labels.mapping import Translation, translation
from app.models import COUNTED, Project

LABEL = (
    *("label", "source", "n_answers", "distribution", "dimensions", "annotators", "scheme_version"),
    *("answered_at", "adjudication"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the answers to one clip amount to: its class (None: a dispute), shares of the classes, and dimensions."""

    label: str | None
    shares: Mapping[str, float]
    dimensions: Mapping[str, float]


def label_rows(read: Read, project_id: int) -> Iterator[Record]:
    """One row a clip with an answer, a ruling, or an answer that came with the import."""
    return (found.about | label for found, label in labelled(read, project_id))


def labelled(read: Read, project_id: int, split: str | None = None) -> Iterator[tuple[ClipRecords, Record]]:
    """The clips of which something is known, each with its label row; the project must exist."""
    with read() as session:
        way = translation(session, project_id)
        whole = None if separable(session, project_id, way) else _by_all(session, project_id, way)
    every = clips(read, project_id, split)
    while page := list(islice(every, CLIPS_A_READ)):
        given = {found.clip.id: _counted(found, way) for found in page}
        standing = whole if whole is not None else majority(given, way)
        for found in page:
            row = _row(found, len(given[found.clip.id]), standing.get(found.clip.id), way)
            if row is not None:
                yield found, row


def separable(session: Session, project_id: int, way: Translation) -> bool:
    """Whether a clip's label depends on its own answers alone."""
    estimator = read_annotating(session.get_one(Project, project_id).annotating).labels
    return isinstance(estimator, Majority) and estimator.dispute_below == 0 and not way.scheme.dimensions


def held(session: Session, project_id: int, clip_ids: Sequence[int]) -> dict[int, Standing]:
    """What the answers to some clips amount to, adjudicators aside."""
    way = translation(session, project_id)
    if not separable(session, project_id, way):
        return _by_all(session, project_id, way)
    brought = (way.bring(given) for given in live_answers(session, project_id, clip_ids))
    by_clip: dict[int, list[Given]] = {}
    for given in brought:
        if given is not None:
            by_clip.setdefault(given.clip_id, []).append(given)
    return majority(by_clip, way)


def majority(given: Mapping[int, Sequence[Given]], way: Translation) -> dict[int, Standing]:
    """The standing of clips whose answers, under the scheme in use, say something of the class."""
    said = [event_of(one) for answers in given.values() for one in answers if says_class(one)]
    if not said or not way.scheme.classes:
        return {}
    made = estimate(votes_of(said, way.scheme), Majority())
    rows = zip(made.clips, made.labels, made.distributions.tolist(), strict=True)
    return {
        int(clip): Standing(label, dict(zip(way.scheme.classes, shares, strict=True)), {})
        for clip, label, shares in rows
    }


def _by_all(session: Session, project_id: int, way: Translation) -> dict[int, Standing]:
    return {clip_id: _standing(found, way) for clip_id, found in decide(session, project_id).items()}


def _standing(found: Decided, way: Translation) -> Standing:
    names = [dimension.name for dimension in way.scheme.dimensions]
    rated = {name: value for name, value in zip(names, found.dimensions, strict=True) if value == value}  # not NaN
    return Standing(found.name, dict(zip(way.scheme.classes, found.distribution, strict=True)), rated)


def _counted(found: ClipRecords, way: Translation) -> list[Given]:
    """The clip's answers that make labels, under the scheme in use."""
    live = (row for row in found.annotations if row["live"] and row["kind"] in COUNTED and row["skip_reason"] is None)
    given = [
        Given(
            row["annotation_id"],
            found.clip.id,
            row["account_id"],
            row["scheme_version"],
            row["annotation"],
            row["intensities"],
            row["unclear"],
            row["dimensions"],
        )
        for row in live
    ]
    return [now for one in given if (now := way.bring(one)) is not None]


def _row(found: ClipRecords, n: int, standing: Standing | None, way: Translation) -> Record | None:
    live = [row for row in found.annotations if row["live"] and row["kind"] in COUNTED and row["skip_reason"] is None]
    ruling, source = found.ruling, "annotations"
    standing = standing or Standing(None, {}, {})
    label, shares, dimensions = standing.label, standing.shares, standing.dimensions
    if ruling is not None:
        source = "adjudication"
        label, dimensions = _ruled(ruling, standing, way)
        shares = _certain(label, way) if ruling["label"] and label else shares
    elif not live:
        source, label, dimensions = "import", found.clip.reference_label, found.clip.reference_dimensions or {}
        if label is None and not dimensions:
            return None
        shares = _certain(label, way)
    return {
        "label": label,
        "source": source,
        "n_answers": n,
        "distribution": {name: round(float(share), 6) for name, share in shares.items()},
        "dimensions": {name: round(float(value), 6) for name, value in dimensions.items()} or None,
        "annotators": [row["annotator"] for row in live],
        "scheme_version": way.version,
        "answered_at": max((row["annotated_at"] for row in live), default=None),
        "adjudication": ruling,
    }


def _ruled(ruling: Record, standing: Standing, way: Translation) -> tuple[str | None, Mapping[str, float]]:
    """The ruling's class and dimensions under the scheme in use; an ambiguous clip keeps its likeliest class."""
    said = Given(0, 0, 0, ruling["scheme_version"], ruling["label"], None, False, ruling["dimensions"])
    brought = way.bring(said)
    label = None if brought is None else brought.label
    if ruling["decision"] == "ambiguous" and any(standing.shares.values()):
        label = max(standing.shares, key=lambda name: standing.shares[name])
    rated = {} if brought is None or brought.dimensions is None else brought.dimensions
    return (None, {}) if ruling["decision"] == "exclude" else (label, {**standing.dimensions, **rated})


def _certain(label: str | None, way: Translation) -> dict[str, float]:
    return {name: float(name == label) for name in way.scheme.classes} if label in way.scheme.classes else {}
