"""Resumable states: everything a killed run needs to end with the weights of an unbroken one.

`<folder>/states/step-00000050/` holds `state.pt` and, written last, `manifest.json`. A state is written beside its
place and renamed into it, so it is there whole or not at all; only the newest is kept.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

STATES = "states"
_TENSORS = "state.pt"
_MANIFEST = "manifest.json"


class StateError(RuntimeError):
    """A state that cannot be written or read; the sentence says why and what to do."""


def save_state(folder: Path, identity: Mapping[str, Any], step: int, content: dict[str, Any]) -> None:
    """Write one state atomically, then drop older ones.

    Args:
        folder: of the run.
        identity: what makes two runs the same run, as plain JSON values, for the manifest.
        step: optimiser steps done.
        content: tensors and plain values, as `torch.load(weights_only=True)` reads them.

    Raises:
        StateError: the disk is full or not writable; the previous state is still there.
    """
    states = folder / STATES
    place = states / f"step-{step:08d}"
    partial: Path | None = None
    try:
        states.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=states))
        with (partial / _TENSORS).open("wb") as file:
            torch.save(content, file)
            _to_disk(file)
        with (partial / _MANIFEST).open("w", encoding="utf-8") as file:
            json.dump({**identity, "step": step}, file, indent=1)
            _to_disk(file)
        _rename(partial, place)
    except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise StateError(f"could not write the state of step {step} to {place}: {error}; free the disk") from error
    for other in states.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def load_state(folder: Path, check_same: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
    """The content of the folder's newest state, on the CPU, or None where there is none.

    Args:
        folder: of the run.
        check_same: is given the stored identity before anything else is read, and raises when it is another run's.

    Raises:
        StateError: the state is there but cannot be read.
    """
    place = newest_state(folder)
    if place is None:
        return None
    with _readable(place):
        manifest = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
    check_same(manifest)
    with _readable(place):
        content: dict[str, Any] = torch.load(place / _TENSORS, map_location="cpu", weights_only=True)
    return content


def newest_state(folder: Path) -> Path | None:
    """Folder of the newest whole state, or None."""
    return max((manifest.parent for manifest in (folder / STATES).glob(f"step-*/{_MANIFEST}")), default=None)


def drop_states(folder: Path) -> None:
    """Remove all states: the run is finished."""
    shutil.rmtree(folder / STATES, ignore_errors=True)


def differences(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nested mappings, by dotted name.

    >>> differences({"steps": 50, "loss": {"kind": "focal"}}, {"steps": 50, "loss": {"kind": "cross_entropy"}})
    ["loss.kind was 'focal' and is 'cross_entropy'"]
    """
    found: list[str] = []
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name} was {before!r} and is {after!r}")
    return found


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError, EOFError, LookupError, UnpicklingError) as error:
        raise StateError(f"{place} cannot be read: {error}; delete it to start again") from error


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(partial: Path, place: Path) -> None:
    """Give a whole state its name; a state that is already there was written by the same run and is as good."""
    try:
        partial.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(partial)
