"""The processes of a run, seen from the first: one further process a device, started for the run and ended with it.

A further process opens the same encoder on its own device and then does what it is told in each step. It is told
through its standard input, whose end is its own end, so that none outlives its run (`al_core.processes.told` is its
side). Tensors travel through the group that both join.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from al_core.processes.errors import ProcessError
from al_core.processes.group import Place, free_port, joined
from al_core.processes.ranks import Alone, Ranks
from al_core.processes.told import READY

_ENDED_EARLY = "a further process ended early: its own error stands above in the log; start the run again"


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a run.

    Attributes:
        ranks: the first among them.
        further: the others.
    """

    ranks: Ranks
    further: Sequence[subprocess.Popen[bytes]] = ()

    def tell(self, told: object) -> None:
        """Send every further process something, as a pickle; ProcessError when one of them is gone."""
        for process in self.further:
            send(process, told)


@contextmanager
def assembled(module: str, errand: Callable[[Place], object], world: int, on_cpu: bool) -> Iterator[Team]:
    """The team of a run; nothing is started for a run of one process.

    Args:
        module: what a further process runs; it tells READY once it is about to join the group.
        errand: what the process at a place is told first.
        world: number of processes.
        on_cpu: whether all compute on the CPU.

    Raises:
        ProcessError: a further process could not begin, or ended early; what it was to be told cannot travel.
    """
    if world == 1:
        yield Team(Alone())
        return
    port = free_port()
    further: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, world):
            further.append(spawn(module))
            send(further[-1], errand(Place(rank, world, port, on_cpu)))
        for process in further:
            if _pipe(process.stdout).readline() != READY:
                raise ProcessError("a further process could not begin: its own error stands above in the log")
        with joined(Place(0, world, port, on_cpu)) as ranks:
            try:
                yield Team(ranks, further)
            except RuntimeError as error:  # what a broken connection is to torch
                if any(map(_has_ended, further)):
                    raise ProcessError(_ENDED_EARLY) from error
                raise
            finally:
                _end(further)  # before the group: leaving it must not wait for them
    finally:
        _end(further)


def spawn(module: str) -> subprocess.Popen[bytes]:
    """A further process that waits for its errand."""
    return subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def send(process: subprocess.Popen[bytes], told: object) -> None:
    """Tell a process something; ProcessError when it is gone, or when it cannot be pickled."""
    try:
        packed = pickle.dumps(told)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ProcessError(f"clips that cannot be sent to another process ({error}): use processes=1") from error
    try:
        _pipe(process.stdin).write(packed)
        _pipe(process.stdin).flush()
    except BrokenPipeError:
        raise ProcessError(_ENDED_EARLY) from None


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Its connection may be gone a moment before the process is."""
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(further: Sequence[subprocess.Popen[bytes]]) -> None:
    """They hold nothing that is needed: the first process has weights, state and result."""
    for process in further:
        process.kill()
        process.wait()
        _pipe(process.stdout).close()
        with suppress(BrokenPipeError):  # what it was not told any more
            _pipe(process.stdin).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "further processes are always started with pipes"
    return pipe
