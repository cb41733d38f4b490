"""A finished TAPT run: an encoder folder that `transformers` opens, with `tapt.json` written last."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from al_core.encoders import SpeechEncoder
from tapt.resumable_state import TaptStateError

MANIFEST = "tapt.json"


def write_finished(folder: Path, encoder: SpeechEncoder, manifest: Mapping[str, Any]) -> None:
    """Write the encoder, then `tapt.json` in one move; a folder without it is not finished.

    Raises:
        TaptStateError: the disk is full or not writable; the run's last state is still there.
    """
    partial = folder / f".{MANIFEST}"
    try:
        encoder.save(folder)
        partial.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)
    except (OSError, RuntimeError, SafetensorError) as error:  # what the file formats make of a failed write
        raise TaptStateError(f"could not write the adapted encoder to {folder}: {error}; free the disk") from error


def read_finished(folder: Path) -> dict[str, Any] | None:
    """The manifest of a finished run, or None."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def thin(losses: list[float], points: int = 50) -> list[tuple[int, float]]:
    """A loss history short enough to read: (step, mean loss of the steps since the point before), ≤ `points` of them.

    >>> thin([4.0, 2.0, 1.0, 1.0], points=2)
    [(2, 3.0), (4, 1.0)]
    """
    stride = -(-len(losses) // points)
    chunks = [losses[i : i + stride] for i in range(0, len(losses), stride)] if losses else []
    return [(min((i + 1) * stride, len(losses)), round(sum(c) / len(c), 4)) for i, c in enumerate(chunks)]
