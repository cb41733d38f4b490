"""Blobs by content: every file of audio is kept once, in a local folder, under the SHA-256 of its bytes.

A blob is written to a temporary file, flushed to the disk and only then renamed into place, so a path that exists is
always complete. Removing nothing is deliberate: clips of several projects may share a blob.
"""

import errno
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.errors import AppError

Source = bytes | Path | BinaryIO
CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHUT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StorageError(AppError):
    """A blob cannot be written; the sentence says why and what to do."""

    status, name = 507, "storage_failed"


class BlobMissingError(StorageError):
    """The database names a blob that the storage has lost."""

    status, name = 500, "blob_missing"


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """A complete copy in a temporary file, with its digest: not in the storage until `Storage.keep` says so."""

    path: Path
    sha256: str
    size_bytes: int


class Storage:
    """Blobs under `root`: `root/ab/abcdef…`, and `root/tmp` for what is being written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tmp = root / "tmp"

    def put(self, source: Source) -> str:
        """Keep the bytes and return their SHA-256; the same bytes are kept once. StorageError on a full disk."""
        with self.staged(source) as blob:
            self.keep(blob)
            return blob.sha256

    @contextmanager
    def staged(self, source: Source) -> Iterator[StagedBlob]:
        """A copy that is dropped when the block ends, unless it was kept: look at an upload before believing it."""
        path: Path | None = None
        try:
            with _named_errors(self.root):
                self._tmp.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=self._tmp)
                path = Path(name)
                with os.fdopen(handle, "wb") as target, opened(source) as stream:
                    sha256, size = _copy(stream, target)
            yield StagedBlob(path, sha256, size)
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def keep(self, blob: StagedBlob) -> Path:
        """Flush a staged blob to the disk and move it into place."""
        final = self.path(blob.sha256)
        if final.exists():
            return final
        with _named_errors(self.root):
            final.parent.mkdir(exist_ok=True)
            _flush(blob.path)
            blob.path.rename(final)
            _flush(final.parent)
        return final

    def path(self, sha256: str) -> Path:
        """Where the blob of this digest is, or would be."""
        if not _SHA256.fullmatch(sha256):
            raise StorageError(f"{sha256!r} is no SHA-256")
        return self.root / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        """Whether the blob is kept."""
        return self.path(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """The blob for reading; BlobMissingError when it is not there."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise BlobMissingError(f"blob {sha256} is not in {self.root}: restore it from a backup") from None

    def check_writable(self) -> None:
        """Raise StorageError unless a file can be written now."""
        with _named_errors(self.root):
            self._tmp.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._tmp) as probe:
                probe.write(b"ok")


def digest(source: Source) -> str:
    """SHA-256 of the bytes, without keeping them."""
    sha256 = hashlib.sha256()
    with opened(source) as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The source as a stream from its beginning; a stream the caller owns stays open."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        source.seek(0)
        yield source


def _copy(stream: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    sha256, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        sha256.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return sha256.hexdigest(), size


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _named_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(f"no space left below {root}: free some, then send it again") from error
        if error.errno in _SHUT:
            raise StorageError(f"{root} cannot be written ({error.strerror}): mend its permissions") from error
        raise
