"""A project as a folder that `datasets.load_dataset` opens: Parquet files by split, and a card that names them.

    load_dataset("folder", "labels", split="train")         one row a labelled clip, with its audio where asked for
    load_dataset("folder", "annotations", split="train")    one row an answer
    load_dataset("folder", "adjudications", split="train")  one row a decision

The splits are called as `datasets` expects them: our dev is its `validation`. Imports pyarrow.
"""

import json
from collections.abc import Iterator
from typing import IO, Any, get_args

import pyarrow as pa

from app.exports import tables
from app.exports.archive import Archive
from app.exports.records import EXTENSIONS, ClipRecords, Record, clips
from app.exports.source import Source, What
from app.exports.verdicts import labelled

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(source: Source, target: IO[bytes]) -> int:
    """Write the folder as a ZIP; how many rows it has."""
    n = 0
    present: dict[str, list[str]] = {}
    with Archive(target) as archive:
        for what in get_args(What):
            types = _types(source, what)
            for ours, theirs in SPLITS.items():
                rows = _rows(source, what, ours)
                first = next(rows, None)
                if first is None:
                    continue
                present.setdefault(what, []).append(theirs)
                with archive.member(f"{what}/{theirs}.parquet", compress=False) as member:
                    n += tables.write(_again(first, rows), types, member, _features(types))
        archive.text("README.md", [_card(source, present)])
    return n


def _types(source: Source, what: What) -> dict[str, Any]:
    types = tables.columns(what, source.classes, source.dimensions)
    return types | {"audio": _AUDIO} if what == "labels" and source.storage is not None else types


def _rows(source: Source, what: What, split: str) -> Iterator[Record]:
    if what == "labels":
        for found, label in labelled(source.read, source.project_id, split):
            yield tables.flat(found.about | label) | _audio(source, found)
        return
    for found in clips(source.read, source.project_id, split):
        rows = found.annotations if what == "annotations" else found.adjudications
        ruling = {"adjudication": found.ruling} if what == "annotations" else {}
        yield from (tables.flat(found.about | row | ruling) for row in rows)


def _audio(source: Source, found: ClipRecords) -> Record:
    """The clip's own audio, cut to its window, as it is played."""
    if source.storage is None:
        return {}
    name = f"{found.clip.id}{EXTENSIONS.get(found.clip.playback_type, '')}"
    return {"audio": {"bytes": source.storage.path(found.clip.playback_sha256).read_bytes(), "path": name}}


def _again(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _features(types: dict[str, Any]) -> dict[bytes, bytes]:
    """What `datasets` reads from a Parquet file besides Arrow's types: that the audio is audio."""
    if "audio" not in types:
        return {}
    values = {name: {"dtype": _dtype(kind), "_type": "Value"} for name, kind in types.items() if name != "audio"}
    features = values | {"audio": {"_type": "Audio"}}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def _dtype(kind: Any) -> str:
    names = {"double": "float64", "timestamp[us, tz=UTC]": "timestamp[us, tz=UTC]"}
    return names.get(str(kind), str(kind))


def _card(source: Source, present: dict[str, list[str]]) -> str:
    configs = [
        {
            "config_name": what,
            "default": what == "labels",
            "data_files": [{"split": split, "path": f"{what}/{split}.parquet"} for split in splits],
        }
        for what, splits in present.items()
    ]
    header = json.dumps({"pretty_name": source.name, "configs": configs}, ensure_ascii=False, indent=1)
    classes = ", ".join(source.known.scheme.classes)
    about = f"Speech with the emotion people heard in it. Classes: {classes or 'none'}."
    return f"---\n{header}\n---\n\n# {source.name}\n\n{about}\n"
