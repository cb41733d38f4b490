"""The stop set: training clips, the same in every round, on which classifiers of successive rounds are compared.

What each says of them is kept in `stop_sets/`, by the name of its checkpoint's folder, so a round hears the set once
and not twice. The checkpoint's own folder stays as it was written.
"""

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from al_core.classifier import Classifier
from al_core.pool import Ints
from al_core.stopping.confidence import sureness
from al_core.stopping.stabilising import agreement
from app.jobs.context import JobContext
from app.labels.service import picks_of
from app.models import Checkpoint

SIZE = 2000
FOLDER = "stop_sets"


def choose_stop_set(clip_ids: list[int], seed: int, size: int = SIZE) -> list[int]:
    """At most `size` of the clips, in order: those whose hash with the seed is smallest.

    A clip's hash does not depend on the others, so clips that are imported later replace few of those chosen before.
    """
    return sorted(sorted(clip_ids, key=lambda i: hashlib.sha256(f"{seed} {i}".encode()).digest())[:size])


def compare_on_stop_set(context: JobContext, classifier: Classifier, checkpoint: Checkpoint) -> dict[str, Any] | None:
    """What a strategy arm's classifier says of the stop set, as its report stores it; None without classes or clips.

    `kappa` is its agreement with the arm's classifier before it on the `n_compared` clips both heard: null where there
    is none, or where it has other classes. `confidence` and `entropy` are means over the clips the arm has not picked.
    """
    n_classes, project = len(classifier.scheme.classes), context.project()
    clips = context.clips("train")
    ids = choose_stop_set(list(clips), project.seed)
    if n_classes < 2 or not ids:
        return None
    context.report("stop set", clips=len(ids))
    probabilities = classifier.predict([clips[i] for i in ids]).probabilities
    said = dict(zip(ids, map(int, probabilities.argmax(axis=1)), strict=True))
    _keep(_place(context, checkpoint), said)
    before = _before(context, checkpoint)
    both = [i for i in ids if i in before]
    with context.db.read() as session:
        picked = picks_of(session, project.id, checkpoint.arm)
    sure = sureness(probabilities[[i not in picked for i in ids]])
    return {
        "n": len(ids),
        "n_compared": len(both),
        "kappa": agreement(_array(before, both), _array(said, both), n_classes),
        "confidence": None if sure is None else sure.confidence,
        "entropy": None if sure is None else sure.entropy,
    }


def _before(context: JobContext, checkpoint: Checkpoint) -> dict[int, int]:
    """What the classifier before this one said; empty where none of the same classes left it on the disk."""
    earlier = (
        select(Checkpoint)
        .where(Checkpoint.project_id == checkpoint.project_id, Checkpoint.arm == checkpoint.arm)
        .where(Checkpoint.kind == "classifier", Checkpoint.id < checkpoint.id)
        .order_by(Checkpoint.id.desc())
        .limit(1)
    )
    with context.db.read() as session:
        row = session.scalars(earlier).one_or_none()
    if row is None or _classes(row) != _classes(checkpoint):
        return {}
    try:
        with np.load(_place(context, row), allow_pickle=False) as stored:
            return dict(zip(stored["clips"].tolist(), stored["classes"].tolist(), strict=True))
    except (FileNotFoundError, zipfile.BadZipFile):  # made before there were stop sets, or cut short by a full disk
        return {}


def _classes(row: Checkpoint) -> Any:
    return row.report.get("scheme", {}).get("classes")


def _place(context: JobContext, row: Checkpoint) -> Path:
    return context.settings.data / FOLDER / f"{Path(row.folder).name}.npz"


def _keep(place: Path, said: dict[int, int]) -> None:
    """Write the predictions and only then rename them into place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(f".{os.getpid()}.npz")
    ids = list(said)
    np.savez_compressed(draft, clips=np.array(ids, dtype=np.int64), classes=_array(said, ids))
    draft.replace(place)


def _array(said: dict[int, int], ids: list[int]) -> Ints:
    return np.array([said[i] for i in ids], dtype=np.int64)
