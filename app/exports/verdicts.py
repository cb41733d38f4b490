"""What a clip's answers add up to: the labels that classifiers are trained on, with what they rest on.

`app.labels.deciding` decides, here as everywhere. Where a label depends on its clip's answers alone, it does so page by
page, so labels stream like answers do; otherwise it looks at all answers of a project at once, and what it decided is
held while rows stream.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from app.exports.records import CLIPS_A_READ, ClipRecords, Read, Record, clips
from app.labels.deciding import Decided, decide, separable
from app.labels.mapping import Translation, translation
from app.models import COUNTED

LABEL = (
    *("label", "source", "n_answers", "distribution", "dimensions", "annotators", "scheme_version"),
    *("answered_at", "adjudication"),
)


def label_rows(read: Read, project_id: int) -> Iterator[Record]:
    """One row a clip with an answer, a ruling, or an answer that came with the import."""
    return (found.about | label for found, label in labelled(read, project_id))


def labelled(read: Read, project_id: int, split: str | None = None) -> Iterator[tuple[ClipRecords, Record]]:
    """The clips of which something is known, each with its label row; the project must exist."""
    with read() as session:
        way = translation(session, project_id)
        whole = None if separable(session, project_id) else decide(session, project_id)
    every = clips(read, project_id, split)
    while page := list(islice(every, CLIPS_A_READ)):
        decided = _decided(read, project_id, page) if whole is None else whole
        for found in page:
            row = _row(found, decided.get(found.clip.id), way)
            if row is not None:
                yield found, row


def _decided(read: Read, project_id: int, page: list[ClipRecords]) -> Mapping[int, Decided]:
    with read() as session:
        return decide(session, project_id, [found.clip.id for found in page])


def _row(found: ClipRecords, decided: Decided | None, way: Translation) -> Record | None:
    live = [row for row in found.annotations if row["live"] and row["kind"] in COUNTED and row["skip_reason"] is None]
    if decided is None and not live:
        return _imported(found, way)
    names = [dimension.name for dimension in way.scheme.dimensions]
    rated = dict(zip(names, () if decided is None else decided.dimensions, strict=False))
    return {
        "label": None if decided is None else decided.name,
        "source": "adjudication" if decided is not None and decided.ruled else "annotations",
        "n_answers": 0 if decided is None else decided.n_answers,
        "distribution": {} if decided is None else _distribution(decided, way),
        "dimensions": {name: round(value, 6) for name, value in rated.items() if value == value} or None,  # not NaN
        "annotators": [row["annotator"] for row in live],
        "scheme_version": way.version,
        "answered_at": max((row["annotated_at"] for row in live), default=None),
        "adjudication": found.ruling,
    }


def _distribution(decided: Decided, way: Translation) -> dict[str, float]:
    """What is trained on; what the answers say where that is no label; nothing where they say nothing."""
    shares = decided.shares if decided.name is None else decided.distribution
    named = zip(way.scheme.classes, shares, strict=True)
    return {name: round(share, 6) for name, share in named} if any(shares) else {}


def _imported(found: ClipRecords, way: Translation) -> Record | None:
    """The row of a clip of which the import alone says something."""
    label, dimensions = found.clip.reference_label, found.clip.reference_dimensions or {}
    if label is None and not dimensions:
        return None
    certain = {name: float(name == label) for name in way.scheme.classes} if label in way.scheme.classes else {}
    return {
        "label": label,
        "source": "import",
        "n_answers": 0,
        "distribution": certain,
        "dimensions": {name: round(float(value), 6) for name, value in dimensions.items()} or None,
        "annotators": [],
        "scheme_version": way.version,
        "answered_at": None,
        "adjudication": found.ruling,
    }
