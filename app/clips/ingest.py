"""Bytes → what a clip row needs: decoded, checked, drawn, and playable in a browser. Outside of any transaction."""

from dataclasses import dataclass
from pathlib import Path

from al_core import audio
from app.storage import Storage

PEAK_BINS = 200
PLAYABLE = frozenset({"audio/wav", "audio/flac", "audio/mpeg", "audio/ogg", "audio/mp4", "audio/webm"})


class WindowError(ValueError):
    """A window that does not lie inside its recording."""


@dataclass(frozen=True, slots=True)
class CheckedAudio:
    """A window of an asset that can become a clip. Times are seconds, rounded to the millisecond."""

    sha256: str
    size_bytes: int
    media_type: str
    duration_s: float
    start_s: float
    end_s: float
    playback_sha256: str
    playback_type: str
    peaks: list[float]


def check_audio(
    storage: Storage, path: Path, sha256: str, start_s: float, end_s: float | None, max_clip_s: float
) -> CheckedAudio:
    """Decode the window [start_s, end_s) of a file and check it; keep its FLAC where a browser could not play the file.

    Raises:
        AudioError: unreadable, empty, too_short, too_long, silent or nan.
        WindowError: the window ends before it starts, or outside the recording.
        StorageError: the FLAC cannot be written.
    """
    start_s, end_s = round(start_s, 3), None if end_s is None else round(end_s, 3)
    if end_s is not None and end_s <= start_s:
        raise WindowError(f"the window ends at {end_s:g} s but starts at {start_s:g} s")
    source = audio.info(path)
    if start_s and start_s >= source.duration_s:
        raise WindowError(f"the window starts at {start_s:g} s, the recording is {source.duration_s:.3f} s long")
    if end_s is not None and end_s > source.duration_s + 0.001:
        raise WindowError(f"the window ends at {end_s:g} s, the recording is {source.duration_s:.3f} s long")
    waveform = audio.decode_clip(path, start_s, end_s, max_clip_s)
    whole = start_s == 0 and (end_s is None or end_s >= source.duration_s - 0.001)
    as_it_is = whole and source.media_type in PLAYABLE
    return CheckedAudio(
        sha256=sha256,
        size_bytes=path.stat().st_size,
        media_type=source.media_type,
        duration_s=source.duration_s,
        start_s=start_s,
        end_s=round(start_s + len(waveform) / audio.SAMPLE_RATE, 3) if end_s is None else end_s,
        playback_sha256=sha256 if as_it_is else storage.put(audio.encode_flac(waveform)),
        playback_type=source.media_type if as_it_is else "audio/flac",
        peaks=audio.peaks(waveform, PEAK_BINS),
    )
