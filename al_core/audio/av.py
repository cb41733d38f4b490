"""Containers libsndfile refuses and FFmpeg reads: M4A, AAC, WebM, AMR. PyAV is imported only when one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

# FFmpeg also opens playlists and other recipes that fetch further files; an uploaded clip is never one of those.
_FORMATS = "mov,matroska,aac,amr,amrnb,amrwb,mp3,wav,flac,ogg,caf,aiff,asf,ac3"
_INDEXED = ("mov", "matroska")  # the others find a time by guessing from the bit rate
_PREROLL_S = 0.2  # Opus wants 80 ms and AAC a frame before its output is exact


class AvError(ValueError):
    """FFmpeg refused the file, or gave up inside it."""


class AvReader:
    """One open file, as `al_core.audio` wants it."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self.rate: int = stream.rate
        self.channels: int = stream.channels
        self.format: str = container.format.name.split(",")[0]

    def count(self) -> int:
        """Frames in the file: from the index where there is one, otherwise by adding up the packets, undecoded."""
        if self.format in _INDEXED and self._container.duration:
            return round(self._container.duration * self.rate / 1_000_000)  # FFmpeg counts in microseconds
        with _named_errors():
            ticks = sum(packet.duration or 0 for packet in self._container.demux(self._stream))
            return round(ticks * float(self._stream.time_base or 0) * self.rate)

    def read(self, begin: int, stop: int | None) -> NDArray[np.float32]:
        """Mean over channels of frames begin … stop, at the file's own rate; shorter where the file ends."""
        with _named_errors():
            chunks: list[NDArray[np.float32]] = []
            position = 0
            for position, mono in self._from(begin):
                if stop is not None and position >= stop:
                    break
                chunks.append(mono[max(0, begin - position) : None if stop is None else stop - position])
            return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)

    def _from(self, begin: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(position, frames) from `begin` or earlier on, counted from the first frame the file yields."""
        frames = self._container.decode(self._stream)
        first = next(frames, None)
        position = 0
        if first is not None and self.format in _INDEXED and begin > 2 * _PREROLL_S * self.rate:
            origin_s = _seconds(first)
            frames = self._seek(origin_s + begin / self.rate - _PREROLL_S)
            first = next(frames, None)
            position = 0 if first is None else round((_seconds(first) - origin_s) * self.rate)
            if first is None or position > begin:  # an index that misses: read through from the start
                frames = self._seek(origin_s)
                first, position = next(frames, None), 0
        while first is not None:
            mono = _mono(first)
            yield position, mono
            position += len(mono)
            first = next(frames, None)

    def _seek(self, time_s: float) -> Iterator[AudioFrame]:
        self._container.seek(int(time_s * 1_000_000))
        return self._container.decode(self._stream)


@contextmanager
def open_av(handle: BinaryIO) -> Iterator[AvReader]:
    """Open what FFmpeg knows, among containers of audio.

    Raises:
        AvError: it does not know this container, the file is damaged, or it holds no audio.
    """
    import av

    with _named_errors():
        container = av.open(handle, mode="r", options={"format_whitelist": _FORMATS})
    with container:
        if not container.streams.audio:
            raise AvError("it holds no audio")
        stream = container.streams.audio[0]
        if not stream.rate:
            raise AvError("it does not say at which rate its audio runs")
        yield AvReader(container, stream)


@contextmanager
def _named_errors() -> Iterator[None]:
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise AvError(error.strerror) from error


def _seconds(frame: AudioFrame) -> float:
    return float((frame.pts or 0) * (frame.time_base or 0))


def _mono(frame: AudioFrame) -> NDArray[np.float32]:
    """(t,) float32 of a decoded frame in any of FFmpeg's layouts: planar or packed, integer or float."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    mono: NDArray[np.float64] = values.mean(axis=0, dtype=np.float64)  # (channels, t) → (t,)
    if values.dtype.kind == "u":
        mono -= 128.0
    if values.dtype.kind in "iu":
        mono /= 2.0 ** (8 * values.dtype.itemsize - 1)
    return mono.astype(np.float32)
