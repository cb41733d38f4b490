"""Blobs by content."""

import errno
import hashlib
import io
import os

import pytest

from app.storage import BlobMissingError, Storage, StorageError, digest


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "blobs")


def _files(storage: Storage) -> list[str]:
    return sorted(str(path.relative_to(storage.root)) for path in storage.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("shape", ["bytes", "path", "stream"])
def test_bytes_are_kept_under_their_sha256_whatever_they_come_as(storage, tmp_path, shape):
    audio = os.urandom(3_000_000)
    (tmp_path / "clip").write_bytes(audio)
    source = {"bytes": audio, "path": tmp_path / "clip", "stream": io.BytesIO(audio)}[shape]
    sha256 = storage.put(source)
    assert sha256 == hashlib.sha256(audio).hexdigest() == digest(audio)
    with storage.open(sha256) as blob:
        assert blob.read() == audio


def test_a_stream_is_kept_from_its_beginning_and_stays_open(storage):
    stream = io.BytesIO(b"clip")
    stream.read()
    assert storage.put(stream) == digest(b"clip")
    assert not stream.closed


def test_the_same_bytes_are_kept_once(storage):
    assert storage.put(b"clip") == storage.put(b"clip")
    assert len(_files(storage)) == 1


def test_a_staged_blob_that_is_not_kept_leaves_nothing(storage):
    with storage.staged(b"clip") as blob:
        assert blob.path.read_bytes() == b"clip"
    assert _files(storage) == []
    assert not storage.exists(blob.sha256)


def test_a_full_disk_is_a_named_error_and_leaves_nothing(storage, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.storage.os.fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        storage.put(b"clip")
    assert _files(storage) == []


def test_a_copy_cut_short_is_never_seen_under_its_name(storage, monkeypatch):
    class Cut(io.BytesIO):
        def read(self, size: int = -1, /) -> bytes:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().read(4)

    with pytest.raises(OSError, match="Input/output"):
        storage.put(Cut(b"clip and more"))
    assert _files(storage) == []


def test_a_lost_blob_is_named(storage):
    with pytest.raises(BlobMissingError, match="restore it"):
        storage.open("0" * 64)


@pytest.mark.parametrize("sha256", ["../../etc/passwd", "", "ABC", "0" * 63])
def test_what_is_no_digest_names_no_path(storage, sha256):
    with pytest.raises(StorageError, match="no SHA-256"):
        storage.path(sha256)


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        Storage(tmp_path / "file" / "blobs").check_writable()
