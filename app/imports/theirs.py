"""Label Studio's JSON on its way in: tasks with annotations, task by task."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import ijson

from app.imports.incoming import (
    ClipName,
    Incoming,
    Row,
    Ruling,
    Unread,
    clip_name,
    moment,
    number,
    ruling,
    sentence,
    text,
    whole,
)
from app.label_studio.results import META, ResultError, carried, said

UNREADABLE = (ValueError, TypeError, KeyError, ResultError)


def read_tasks(file: IO[bytes], names: Mapping[int, str]) -> Iterator[Row]:
    """The rows of a JSON array of tasks. `names` are the people behind Label Studio's ids."""
    place = 0
    try:
        for place, task in enumerate(ijson.items(file, "item", use_float=True), start=1):
            yield from task_rows(f"task {place}", task, names)
    except ijson.JSONError as error:
        yield Unread(f"after task {place}", "malformed", f"no JSON array of tasks: {error}")


def task_rows(where: str, task: Any, names: Mapping[int, str]) -> Iterator[Row]:
    """The annotations of one of Label Studio's tasks; predictions are no answers, drafts are not finished."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        yield Unread(where, "malformed", "no task with data")
        return
    ours = task["data"].get(META)
    clip = ours if isinstance(ours, dict) else task["data"]
    annotations = task.get("annotations", task.get("completions", []))
    for nth, annotation in enumerate(annotations if isinstance(annotations, list) else [], start=1):
        place = f"{where}, annotation {nth}"
        try:
            yield answer_of(place, clip_name(clip), annotation, names)
        except UNREADABLE as error:
            yield Unread(place, "malformed", sentence(error))


def answer_of(where: str, clip: ClipName, annotation: Any, names: Mapping[int, str]) -> Incoming | Ruling:
    """One annotation of Label Studio, ours again if it was ours; ValueError and its like when it says nothing."""
    if not isinstance(annotation, dict):
        raise ValueError("no annotation")
    kept, told = carried(annotation.get("result")), said(annotation.get("result"))
    if isinstance(kept.get("adjudication"), dict):
        return ruling(where, clip, kept["adjudication"])
    if annotation.get("was_cancelled") and told["skip_reason"] is None:
        told = dict.fromkeys(told, None) | {"unclear": False, "comment": told["comment"], "skip_reason": "unsure"}
    if told["skip_reason"] is not None:
        told |= {"label": None, "intensities": None, "unclear": False, "dimensions": None}
    unique = annotation.get("unique_id") or annotation.get("id")
    returned = bool(kept.get("annotator"))
    return Incoming(
        where=where,
        clip=clip,
        annotator=text(kept, "annotator") or _person(annotation.get("completed_by"), names),
        seconds=number(annotation, "lead_time"),
        kind=text(kept, "kind") or "answer",
        scheme_version=whole(kept, "scheme_version"),
        at=moment(kept, "annotated_at") or moment(annotation, "updated_at") or moment(annotation, "created_at"),
        shown=kept.get("shown") or None,
        identity=None if returned or unique is None else f"label-studio:{unique}",
        **told,
    )


def _person(completed_by: Any, names: Mapping[int, str]) -> str:
    """Who answered: an address, a name, or the id where nothing else is known."""
    if isinstance(completed_by, dict):
        name = completed_by.get("email") or completed_by.get("username") or completed_by.get("id")
    elif isinstance(completed_by, int):
        name = names.get(completed_by, f"label-studio {completed_by}")
    else:
        name = completed_by
    if not name:
        raise ValueError("completed_by: nobody is named")
    return str(name)
