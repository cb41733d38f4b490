"""Clips as Label Studio's tasks: what is listened to, what was answered, what a checkpoint guesses."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from app.exports.records import CLIP, ClipRecords, Record
from app.label_studio.layout import AUDIO, EMOTION
from app.label_studio.results import META, regions

Json = dict[str, Any]
_KEPT = ("annotation_id", "annotator", "kind", "scheme_version", "shown", "annotated_at", "round")


def task(found: ClipRecords, audio_url: str) -> Json:
    """A clip with its live answers, its ruling (as ground truth) and the guess, as Label Studio imports and exports it.

    Answers that were revised or taken back stay out: Label Studio shows what holds. JSON lines have every event.
    """
    annotations = [answer(row) for row in found.annotations if row["live"]]
    if found.ruling is not None and found.ruling["decision"] == "label":
        annotations.append(_ruling(found.ruling))
    return clip_task(found.about, audio_url, found.guess) | {"annotations": annotations}


def clip_task(about: Record, audio_url: str, guess: Record | None = None) -> Json:
    """A clip to be answered: `about` is told by the names of `CLIP`, the guess becomes a prediction."""
    predictions = [] if guess is None else [_prediction(guess)]
    return {"data": {AUDIO: audio_url, META: {name: about[name] for name in CLIP}}, "predictions": predictions}


def blind_task(clip_id: int, audio_url: str, guess: Record | None = None) -> Json:
    """A clip for an annotator: nothing tells its name, its speaker or its split, since names often tell the emotion."""
    predictions = [] if guess is None else [_prediction(guess)]
    return {"data": {AUDIO: audio_url, META: {"clip_id": clip_id}}, "predictions": predictions}


def answer(row: Record) -> Json:
    """One event as Label Studio's annotation."""
    kept = {name: row[name] for name in _KEPT}
    return {
        "result": regions(row | {"label": row["annotation"]}, kept),
        "was_cancelled": row["skip_reason"] is not None,
        "ground_truth": False,
        "lead_time": row["seconds"],
        "created_at": row["annotated_at"],
    }


def as_json(tasks: Iterable[Json]) -> Iterator[str]:
    """One JSON array, written task by task."""
    begin = "[\n"
    for each in tasks:
        yield begin + json.dumps(each, ensure_ascii=False)
        begin = ",\n"
    yield "[]\n" if begin == "[\n" else "\n]\n"


def _ruling(ruling: Record) -> Json:
    return {
        "result": regions({"label": ruling["label"], "dimensions": ruling["dimensions"]}, {"adjudication": ruling}),
        "was_cancelled": False,
        "ground_truth": True,
        "lead_time": None,
        "created_at": ruling["decided_at"],
    }


def _prediction(guess: Record) -> Json:
    choice = {"id": EMOTION, "from_name": EMOTION, "to_name": AUDIO, "type": "choices"}
    return {
        "model_version": f"checkpoint {guess['checkpoint_id']}",
        "score": guess["probabilities"].get(guess["label"], 0.0),
        "result": [choice | {"value": {"choices": [guess["label"]]}}],
    }
