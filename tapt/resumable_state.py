"""TAPT's resumable states: those of `al_core.resumable_state`, under a TAPT run's identity and TAPT's named errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from al_core import resumable_state
from al_core.resumable_state import StateError, drop_states, newest_state
from tapt.errors import TaptError
from tapt.identity import RunIdentity

__all__ = ["TaptStateError", "drop_states", "load_state", "newest_state", "save_state"]


class TaptStateError(TaptError):
    """A state that cannot be written or read; the sentence says why and what to do."""


def save_state(folder: Path, identity: RunIdentity, step: int, content: dict[str, Any]) -> None:
    """Write one state atomically, then drop older ones.

    Raises:
        TaptStateError: the disk is full or not writable; the previous state is still there.
    """
    with _named():
        resumable_state.save_state(folder, asdict(identity), step, content)


def load_state(folder: Path, identity: RunIdentity) -> dict[str, Any] | None:
    """The content of this run's newest state, or None where there is none.

    Raises:
        TaptResumeError: the state belongs to another run.
        TaptStateError: the state is there but cannot be read.
    """
    with _named():
        return resumable_state.load_state(folder, lambda stored: identity.check_same(stored, str(folder)))


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except StateError as error:
        raise TaptStateError(str(error)) from error
