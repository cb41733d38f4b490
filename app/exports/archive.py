"""A ZIP written member by member, the same bytes for the same content: no clock, no system, no random name in it."""

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from app.storage import CHUNK

_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can name


class Archive:
    """Members are streamed: none is ever whole in memory."""

    def __init__(self, target: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(target, "w", allowZip64=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def text(self, name: str, parts: Iterable[str]) -> None:
        """A compressed member of UTF-8 text."""
        with self.member(name) as member:
            for part in parts:
                member.write(part.encode())

    def file(self, name: str, path: Path) -> None:
        """A member with the bytes of a file, stored as they are: audio does not get smaller."""
        with path.open("rb") as source, self.member(name, compress=False) as member:
            while chunk := source.read(CHUNK):
                member.write(chunk)

    @contextmanager
    def member(self, name: str, compress: bool = True) -> Iterator[IO[bytes]]:
        """A member to write into."""
        info = zipfile.ZipInfo(name, _NO_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        info.create_system = 3
        with self._zip.open(info, "w", force_zip64=True) as member:
            yield member
