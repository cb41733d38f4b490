"""A further process's side of its pipes: what it is told by the first, in order."""

import os
import pickle
import queue as queues
import sys
import threading
from dataclasses import dataclass, field
from typing import Any, BinaryIO

READY = b"ready\n"


@dataclass(frozen=True, slots=True)
class Told:
    """What the first process says. Made once a process, before anything is printed.

    The end of standard input is the end of the process, wherever it is: the run has ended, or its process died.
    """

    _received: "queues.SimpleQueue[Any]" = field(default_factory=queues.SimpleQueue)
    _answers: BinaryIO = field(default_factory=lambda: os.fdopen(os.dup(sys.stdout.fileno()), "wb"))

    def __post_init__(self) -> None:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
        threading.Thread(target=_read, args=(sys.stdin.buffer, self._received), daemon=True).start()

    def next(self) -> Any:
        """The next thing said; waits for it."""
        return self._received.get()

    def ready(self) -> None:
        """Answer that this process is about to join the group."""
        self._answers.write(READY)
        self._answers.flush()


def _read(stdin: BinaryIO, received: "queues.SimpleQueue[Any]") -> None:
    try:
        while True:
            received.put(pickle.load(stdin))
    except EOFError:
        os._exit(0)  # there is nobody left to help
