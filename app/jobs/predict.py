"""predict: what a checkpoint hears in the project's clips, as a CSV file."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from al_core.classifier import Classifier
from al_core.features import Clip
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.models import Checkpoint

CLIPS_AT_ONCE = 256


def run(context: JobContext) -> None:
    """Predict speaker by speaker; the file's name carries the fence, so two holders never write one file."""
    payload = context.claim.payload
    clips = context.clips(payload["split"])
    with context.db.read() as session:
        checkpoint = session.get_one(Checkpoint, payload["checkpoint_id"])
    classifier = open_classifier(context, checkpoint)
    file = f"predictions/{context.claim.job_id}-{context.claim.fence}.csv"
    place = context.settings.data / file
    place.parent.mkdir(parents=True, exist_ok=True)
    heard = _write(context, classifier, clips, place)
    result = {"checkpoint_id": checkpoint.id, "clips": len(clips), **heard, "file": file}
    with context.conclude(result):
        pass


def _write(context: JobContext, classifier: Classifier, clips: dict[int, Clip], place: Path) -> dict[str, Any]:
    """Write the rows; returns how often each class was heard, and the mean of each dimension."""
    classes = classifier.scheme.classes
    dimensions = [dimension.name for dimension in classifier.scheme.dimensions]
    heard: Counter[str] = Counter()
    sums = np.zeros(len(dimensions))
    done = 0
    with place.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip_id", *(["label"] if classes else []), *classes, *(f"dimension_{d}" for d in dimensions)])
        for part in _parts(clips):
            found = classifier.predict([clips[i] for i in part])  # probabilities (n, c), dimensions (n, m)
            sums += found.dimensions.sum(axis=0)
            for clip_id, shares, values in zip(part, found.probabilities, found.dimensions, strict=True):
                label = [classes[int(np.argmax(shares))]] if classes else []
                heard.update(label)
                writer.writerow([clip_id, *label, *(f"{p:.6f}" for p in shares), *(f"{v:.4f}" for v in values)])
            done += len(part)
            context.report("predict", done=done, total=len(clips))
    means = {name: round(float(total) / max(done, 1), 4) for name, total in zip(dimensions, sums, strict=True)}
    return {"classes": dict(heard), "dimensions": means}


def _parts(clips: dict[int, Clip]) -> Iterator[list[int]]:
    """Ids in parts of at least CLIPS_AT_ONCE that keep a speaker together: an unseen speaker is normalised by them."""
    part: list[int] = []
    for _, spoken in groupby(sorted(clips, key=lambda i: (clips[i].speaker or "", i)), key=lambda i: clips[i].speaker):
        part += spoken
        if len(part) >= CLIPS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part
