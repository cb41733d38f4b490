"""Rows of a corpus as clips: every file decoded and checked once, and named when it cannot be used."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from al_core.audio import SAMPLE_RATE, AudioError, decode, decode_clip, info
from al_core.corpora.corpus import CorpusClip
from al_core.features.clip import Clip, clip_key


@dataclass(frozen=True, slots=True)
class Opened:
    """Clips with the rows they come from, in reading order; `refused` names the others, one sentence each."""

    clips: tuple[tuple[Clip, CorpusClip], ...]
    refused: tuple[str, ...]


def open_clips(rows: Iterable[CorpusClip], max_s: float = 30.0) -> Opened:
    """Decode and check every row; a second row with the same audio is refused, whether or not it says the same."""
    sha256 = cache(_sha256)
    found: dict[str, tuple[Clip, CorpusClip]] = {}
    refused = []
    for row in rows:
        try:
            clip = _open(row, sha256(row.path), max_s)
        except (AudioError, OSError) as error:
            refused.append(f"{row.external_id}: {error}")
            continue
        if clip.key in found:
            first = found[clip.key][1]
            differs = "" if (row.label, row.split) == (first.label, first.split) else ", with another label or split"
            refused.append(f"{row.external_id}: the same audio as {first.external_id}{differs}")
            continue
        found[clip.key] = (clip, row)
    return Opened(tuple(found.values()), tuple(refused))


def _open(row: CorpusClip, sha256: str, max_s: float) -> Clip:
    waveform = decode_clip(row.path, row.start_s, row.end_s, max_s)
    end_s = info(row.path).duration_s if row.end_s is None else row.end_s
    load = partial(decode, row.path, row.start_s, row.end_s)
    return Clip(clip_key(sha256, row.start_s, end_s), len(waveform) / SAMPLE_RATE, row.speaker, load, row.text)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
