"""Containers libsndfile reads: WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF and their relatives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

_CHUNK = 1 << 18  # frames a read, so that a header promising more than the file holds costs no memory
_UNKNOWN = 1 << 40  # a FLAC written to a pipe: libsndfile says "unknown" as a huge count, then cannot reach its end
_PREROLL_S = 0.25  # MP3 borrows bits from the frames before: decoding has to begin a little earlier


class SndfileError(ValueError):
    """libsndfile refused the file, or gave up inside it."""


class SndfileReader:
    """One open file, as `al_core.audio` wants it."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.rate: int = file.samplerate
        self.channels: int = file.channels
        self.format: str = file.format.lower()

    def count(self) -> int:
        """Frames in the file."""
        return int(self._file.frames)

    def read(self, begin: int, stop: int | None) -> NDArray[np.float32]:
        """Mean over channels of frames begin … stop, at the file's own rate; shorter where the file ends."""
        start = max(0, begin - round(_PREROLL_S * self.rate)) if self._file.seekable() else 0
        try:
            if start:
                self._file.seek(min(start, self._file.frames))
            chunks = [chunk.mean(axis=1) for chunk in self._chunks(None if stop is None else stop - start)]  # (t,) each
        except soundfile.LibsndfileError as error:
            raise SndfileError(error.error_string) from error
        return np.concatenate(chunks)[begin - start :] if chunks else np.zeros(0, np.float32)

    def _chunks(self, limit: int | None) -> Iterator[NDArray[np.float32]]:
        left = self._file.frames if limit is None else limit
        while left > 0:
            chunk = self._file.read(min(left, _CHUNK), dtype="float32", always_2d=True)  # (t, channels)
            if not len(chunk):
                return
            left -= len(chunk)
            yield chunk


@contextmanager
def open_sndfile(handle: BinaryIO) -> Iterator[SndfileReader]:
    """Open what libsndfile knows.

    Raises:
        SndfileError: it does not know this container, the file is damaged, or its length is not told.
    """
    try:
        file = soundfile.SoundFile(handle)
    except soundfile.LibsndfileError as error:
        raise SndfileError(error.error_string) from error
    except TypeError as error:  # soundfile takes a name that ends in .raw for audio without a header
        raise SndfileError(str(error)) from error
    with file:
        if file.frames > _UNKNOWN:
            raise SndfileError("its header does not tell its length")
        yield SndfileReader(file)
