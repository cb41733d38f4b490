"""The feature store: append-only segments on disk, read through memory maps.

    root/<digest[:16]>/<layer>-<pooling>-<dtype>/<segment>.npy    rows of many clips, one after another
                                                /<segment>.json   their keys and row counts, written last

A segment without its index does not exist, so a kill loses at most the segment being written. Nothing is ever
rewritten, so any number of processes may append to one folder; a clip stored twice is stored equal, and either copy is
read.
"""

import io
import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from al_core.features.clip import FeatureError, FeatureSpec

Floats = NDArray[np.floating[Any]]


@dataclass(slots=True)
class _Index:
    """What one folder of segments held when it was last listed."""

    places: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # key → segment, first row, rows
    segments: list[Floats] = field(default_factory=list)  # memory maps, (rows, d)
    listed: set[str] = field(default_factory=set)  # names of indices already read, the refused ones too


class FeatureStore:
    """Features by (encoder digest, spec, clip key). One object belongs to one thread.

    Args:
        root: folder of the store, created when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._indices: dict[Path, _Index] = {}

    def missing(self, encoder_digest: str, spec: FeatureSpec, keys: Iterable[str]) -> list[str]:
        """The keys that are not stored, in their order, each once."""
        places = self._index(encoder_digest, spec).places
        return [key for key in dict.fromkeys(keys) if key not in places]

    def pooled(self, encoder_digest: str, spec: FeatureSpec, keys: Sequence[str]) -> NDArray[np.float32]:
        """Pooled features, (n, d) float32, rows in the order of the keys.

        Raises:
            FeatureError: a key is not stored, or the spec asks for frames.
        """
        if spec.pooling == "frames":
            raise FeatureError("frames have no single row a clip: read them with FeatureStore.frames")
        index = self._index(encoder_digest, spec)
        places = np.array([self._place(index, key) for key in keys], dtype=np.int64).reshape(-1, 3)
        pooled = np.empty((len(keys), index.segments[0].shape[1] if index.segments else 0), dtype=np.float32)
        by_segment = np.argsort(places[:, 0], kind="stable")
        cuts = np.flatnonzero(np.diff(places[by_segment, 0])) + 1
        for rows in np.split(by_segment, cuts) if len(keys) else ():
            pooled[rows] = index.segments[places[rows[0], 0]][places[rows, 1]]
        return pooled

    def frames(self, encoder_digest: str, spec: FeatureSpec, key: str) -> Floats:
        """All frames of a clip, (f, d) in the spec's dtype: a read-only view of the file, not a copy.

        Raises:
            FeatureError: the key is not stored.
        """
        index = self._index(encoder_digest, spec, key)
        segment, first, count = self._place(index, key)
        return index.segments[segment][first : first + count]

    def append(self, encoder_digest: str, spec: FeatureSpec, features: Mapping[str, Floats]) -> None:
        """Write one segment: key → (rows, d). It is there whole or not at all.

        Raises:
            FeatureError: the folder cannot be written, for example because the disk is full.
        """
        if not features:
            return
        folder = self._folder(encoder_digest, spec)
        name = uuid.uuid4().hex
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(list(features.values())).astype(spec.dtype, copy=False), allow_pickle=False)
        counts = [len(rows) for rows in features.values()]
        index = {"bytes": buffer.getbuffer().nbytes, "keys": list(features), "counts": counts}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(folder / f"{name}.npy", buffer.getbuffer())
            _write_whole(folder / f"{name}.json", json.dumps(index).encode())
        except OSError as error:
            sentence = f"features cannot be written to {folder}: {error.strerror}; free space there, or move the store"
            raise FeatureError(sentence) from error

    def _folder(self, encoder_digest: str, spec: FeatureSpec) -> Path:
        return self.root / encoder_digest[:16] / f"{'+'.join(map(str, spec.layers))}-{spec.pooling}-{spec.dtype}"

    def _index(self, encoder_digest: str, spec: FeatureSpec, wanted: str | None = None) -> _Index:
        """The folder's index, with segments added since the last call, unless it already knows the wanted key."""
        folder = self._folder(encoder_digest, spec)
        index = self._indices.setdefault(folder, _Index())
        if wanted not in index.places and folder.is_dir():
            for path in sorted(folder.glob("*.json")):
                if path.name not in index.listed:
                    index.listed.add(path.name)
                    _read_segment(path, index)
        return index

    def _place(self, index: _Index, key: str) -> tuple[int, int, int]:
        try:
            return index.places[key]
        except KeyError:
            raise FeatureError(f"clip {key} has no such feature in {self.root}: embed it first") from None


def _read_segment(path: Path, index: _Index) -> None:
    """Add a segment to the index; one that is damaged is left out, so that its clips are computed again."""
    try:
        described = json.loads(path.read_bytes())
        keys, counts = described["keys"], described["counts"]
        data = path.with_suffix(".npy")
        if data.stat().st_size != described["bytes"]:
            return
        rows: Floats = np.load(data, mmap_mode="r", allow_pickle=False)
        if len(keys) != len(counts) or sum(counts) != len(rows):
            return
    except (OSError, ValueError, KeyError, TypeError):
        return
    segment = len(index.segments)
    index.segments.append(rows)
    first = 0
    for key, count in zip(keys, counts, strict=True):
        index.places[key] = (segment, first, count)
        first += count


def _write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write beside the path, then rename: a reader sees the whole file or none."""
    partial = path.with_suffix(path.suffix + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
