"""Results of runs that take long: one JSON a run, whole or not there at all; a finished one is not run again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _table import machine, versions

Told = dict[str, Any]


def kept(folder: Path, about: Told, decides: Told, run: Callable[[], Told]) -> Told:
    """What a run told, from its file where it was run before.

    Args:
        folder: of the files.
        about: short values that name the run; they name its file and are part of what is told.
        decides: everything else that changes what comes out, as plain values.
        run: what is told beyond `about`, machine and versions.
    """
    digest = hashlib.sha256(json.dumps([about, decides], sort_keys=True).encode()).hexdigest()[:12]
    readable = "-".join(str(value).replace(" ", "_").replace(",", "") for value in about.values())
    place = folder / f"{readable}-{digest}.json"
    if not place.exists():
        told = about | run() | {"decided_by": decides, "machine": machine(), "versions": versions()}
        partial = place.with_suffix(".partial")
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
        partial.rename(place)
    loaded: Told = json.loads(place.read_text(encoding="utf-8"))
    return loaded
