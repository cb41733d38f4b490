"""Audio in: any container, rate and channel count → one mono float32 waveform at 16 kHz, or a refusal by name.

libsndfile (`audio/sndfile.py`) reads what it can; the rest goes to FFmpeg (`audio/av.py`), imported only then; soxr
resamples. Nothing here imports torch, so a web process may use it.
"""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil, gcd
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from al_core.audio.av import AvError, open_av
from al_core.audio.sndfile import SndfileError, open_sndfile

SAMPLE_RATE = 16_000
MIN_CLIP_S = 0.2
SILENCE_PEAK = 1e-4  # −80 dB of full scale, three steps of 16-bit audio

Waveform = NDArray[np.float32]  # (T,) mono, 16 kHz, full scale is ±1
Source = bytes | Path
AudioCode = Literal["unreadable", "empty", "too_short", "too_long", "silent", "nan"]

_MARGIN = 1_600  # positions at 16 kHz read beyond a window, so that the resampler's edges fall outside it

_MEDIA_TYPES = {
    "wav": "audio/wav",
    "wavex": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "aiff": "audio/aiff",
    "mov": "audio/mp4",
    "matroska": "audio/webm",
    "aac": "audio/aac",
    "amr": "audio/amr",
}


class AudioError(ValueError):
    """Audio that cannot become a clip. `code` is the refusal's name; the message says what to do."""

    def __init__(self, code: AudioCode, detail: str) -> None:
        super().__init__(detail)
        self.code: AudioCode = code


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file says of itself: seconds, frames a second, channels, and the container's short name in lower case."""

    duration_s: float
    sample_rate: int
    channels: int
    format: str

    @property
    def media_type(self) -> str:
        """The MIME type of the container, e.g. `audio/flac`."""
        return _MEDIA_TYPES.get(self.format, "application/octet-stream")


class _Reader(Protocol):
    """An open file: its own rate, channels and container, and mono float32 frames by position."""

    rate: int
    channels: int
    format: str

    def count(self) -> int: ...

    def read(self, begin: int, stop: int | None) -> NDArray[np.float32]: ...


def decode(source: Source, start_s: float = 0.0, end_s: float | None = None) -> Waveform:
    """Mono 16 kHz waveform of a file, or of its window [start_s, end_s).

    Channels are averaged. Only the window is decoded where the container can seek; it equals the same slice of the
    whole decoded file, up to the seeking of a lossy codec. A window beyond the end comes back shorter, or empty.

    Raises:
        AudioError: `unreadable` when neither library can read it, `empty` when it holds no bytes.
        ValueError: a window that starts before 0 or does not end after its start.
    """
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise ValueError(f"window {start_s}–{end_s} s: it must start at 0 or later and end after its start")
    first = round(start_s * SAMPLE_RATE)
    last = None if end_s is None else round(end_s * SAMPLE_RATE)
    with _opened(source) as reader:
        return _window(reader, first, last)


def decode_clip(source: Source, start_s: float = 0.0, end_s: float | None = None, max_s: float = 30.0) -> Waveform:
    """`decode` and `check` in one, reading no more than the limit and a little, however long the file is.

    Raises:
        AudioError: whatever refuses the clip.
        ValueError: as `decode`.
    """
    limit_s = start_s + max_s + 0.1
    waveform = decode(source, start_s, limit_s if end_s is None else min(end_s, limit_s))
    check(waveform, max_s)
    return waveform


def info(source: Source) -> AudioInfo:
    """Duration, rate, channels and container, decoding nothing where the header tells.

    Raises:
        AudioError: `unreadable` or `empty`, as `decode`.
    """
    with _opened(source) as reader:
        return AudioInfo(reader.count() / reader.rate, reader.rate, reader.channels, reader.format)


def check(waveform: Waveform, max_s: float = 30.0) -> None:
    """Refuse what cannot be a clip.

    Raises:
        AudioError: `empty`, `nan` (or infinite), `too_short` (under 0.2 s), `too_long`, `silent` (within 1e-4 of a
            constant).
    """
    if not len(waveform):
        raise AudioError("empty", "the clip holds no audio: check its window, or leave it out")
    if not np.isfinite(waveform).all():
        raise AudioError("nan", "the clip holds values that are not numbers: write the file again")
    if len(waveform) < MIN_CLIP_S * SAMPLE_RATE:
        length_s = len(waveform) / SAMPLE_RATE
        raise AudioError("too_short", f"the clip lasts {length_s:.3f} s: it must last {MIN_CLIP_S} s or more")
    if len(waveform) > max_s * SAMPLE_RATE:
        raise AudioError("too_long", f"the clip lasts more than {max_s:g} s: cut it with start_s and end_s")
    if np.ptp(waveform) < 2 * SILENCE_PEAK:
        raise AudioError("silent", "the clip is silent: record it again, or leave it out")


def peaks(waveform: Waveform, bins: int = 200) -> list[float]:
    """Largest magnitude in each of `bins` equal stretches, for drawing: `bins` floats ≥ 0, rounded to 4 decimals."""
    if not len(waveform):
        return [0.0] * bins
    starts = np.arange(bins) * len(waveform) // bins  # (bins,)
    return [round(float(peak), 4) for peak in np.maximum.reduceat(np.abs(waveform), starts)]


def encode_flac(waveform: Waveform) -> bytes:
    """16-bit FLAC of a waveform, clipped to full scale: what a browser plays for a window of a longer recording."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(waveform, -1.0, 1.0), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _window(reader: _Reader, first: int, last: int | None) -> Waveform:
    """Positions first … last at 16 kHz, reading from where the two rates share a position, so nothing shifts."""
    rate = reader.rate
    if rate == SAMPLE_RATE:
        return reader.read(first, last)
    common = gcd(rate, SAMPLE_RATE)
    block = max(0, first - _MARGIN) // (SAMPLE_RATE // common)
    begin = block * (rate // common)
    stop = None if last is None else ceil((last + _MARGIN) * rate / SAMPLE_RATE)
    offset = block * (SAMPLE_RATE // common)
    resampled: Waveform = soxr.resample(reader.read(begin, stop), rate, SAMPLE_RATE)
    return resampled[first - offset : None if last is None else last - offset]


@contextmanager
def _opened(source: Source) -> Iterator[_Reader]:
    """The reader that understands the source; every failure of either library becomes an AudioError."""
    with _bytes_of(source) as handle, ExitStack() as stack:
        if not handle.read(1):
            raise AudioError("empty", "the file holds no bytes: record or copy it again")
        reader = _open_either(handle, stack)
        try:
            yield reader
        except (SndfileError, AvError) as error:
            raise AudioError("unreadable", f"the audio is damaged ({error}): record or copy it again") from error


def _open_either(handle: BinaryIO, stack: ExitStack) -> _Reader:
    handle.seek(0)
    try:
        return stack.enter_context(open_sndfile(handle))
    except SndfileError as refusal:
        handle.seek(0)
        try:
            return stack.enter_context(open_av(handle))
        except AvError as error:
            sentence = f"no audio can be read from it ({refusal} {error}): convert it to WAV or FLAC"
            raise AudioError("unreadable", sentence) from error


@contextmanager
def _bytes_of(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        handle = source.open("rb")
    except OSError as error:
        raise AudioError("unreadable", f"{source.name} cannot be opened: {error.strerror}") from error
    with handle:
        yield handle
