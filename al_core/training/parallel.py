"""Several devices for one run: one helper process a further device, started for the run and ended with it.

A helper (`python -m al_core.training.helper`) opens the same encoder on its own device, builds the same network, and
then does what it is told in each step. It is told through its standard input, whose end is its own end, so that no
helper outlives its run. Tensors travel through the process group that `accelerate` joins (NCCL between GPUs, gloo
between CPUs).
"""

import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import torch

from al_core.encoders import SpeechEncoder
from al_core.peft.network import Network
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from al_core.training.errors import TrainError
from al_core.training.gradients import StepOrder
from al_core.training.ranks import Alone, Ranks, Together
from al_core.training.run import Run
from al_core.training.weights import changing

READY = b"ready\n"
ENDED_EARLY = "a helper process ended early: its own error stands above in the log; train again"
# A process that waits longer for the others gives up.
TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a helper is told first. Everything in it travels as a pickle, each clip's `load` with it.

    Attributes:
        source, digest: of the encoder, which the helper opens itself.
        store: folder of the feature store; the first process has computed what the run reads.
        rank, world, port: its place in the process group.
        on_cpu: whether the encoder belongs on the CPU; otherwise on the device of its rank.
    """

    recipe: Recipe
    scheme: Scheme
    source: str
    digest: str
    store: Path
    train: LabelledClips
    rank: int
    world: int
    port: int
    on_cpu: bool


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a run, seen from the first."""

    ranks: Ranks
    helpers: Sequence[subprocess.Popen[bytes]] = ()

    def tell(self, order: StepOrder) -> None:
        """Send every helper a step's order; TrainError when one of them is gone."""
        for helper in self.helpers:
            _send(helper, order)


def n_processes(encoder: SpeechEncoder, recipe: Recipe, wanted: int | None) -> int:
    """How many processes a run gets: one a GPU when its encoder lies on the first, otherwise one.

    An encoder that was put on another GPU than the first was put there on purpose, and stays alone. There are never
    more processes than clips in a minibatch.

    Args:
        encoder: decides by its device.
        recipe: of the run.
        wanted: by the caller; None decides here.

    Raises:
        TrainError: fewer than 1, or more than there are GPUs.
    """
    device = next(encoder.parameters()).device
    found = torch.cuda.device_count() if device.type == "cuda" and device.index in (None, 0) else 1
    if wanted is None:
        return min(found, recipe.minibatch)
    if wanted < 1 or (wanted > found and device.type != "cpu"):
        raise TrainError(f"processes is {wanted}: use 1 to {found}, as many as there are devices")
    return min(wanted, recipe.minibatch)


@contextmanager
def assemble(run: Run, network: Network) -> Iterator[Team]:
    """The team of a run, whose networks are equal when it begins; nothing is started for a run of one process.

    Raises:
        TrainError: a helper could not begin, or ended early.
    """
    if run.processes == 1:
        yield Team(Alone())
        return
    port = _free_port()
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, run.processes):
            helpers.append(_spawn())
            _send(helpers[-1], _errand(run, rank, port))
        for helper in helpers:
            if _pipe(helper.stdout).readline() != READY:
                raise TrainError("a helper process could not begin: its own error stands above in the log")
        with joined(0, run.processes, port, run.device.type == "cpu") as ranks:
            try:
                ranks.share_weights(changing(network))
                yield Team(ranks, helpers)
            except RuntimeError as error:  # what a broken connection is to torch
                if any(map(_has_ended, helpers)):
                    raise TrainError(ENDED_EARLY) from error
                raise
            finally:
                _end(helpers)  # before the group: leaving it must not wait for them
    finally:
        _end(helpers)


@contextmanager
def joined(rank: int, world: int, port: int, on_cpu: bool) -> Iterator[Together]:
    """This process as a member of a group on this machine, and its device set.

    accelerate reads its place from the environment and keeps it for the life of the process; both are undone here, so
    that a process that trains again, alone or in another group, begins from nothing.
    """
    from accelerate import PartialState
    from accelerate.utils import patch_environment

    PartialState._reset_state()
    place = {"rank": rank, "local_rank": rank, "world_size": world, "local_world_size": world}
    with patch_environment(**place, master_addr="127.0.0.1", master_port=port, omp_num_threads=torch.get_num_threads()):
        group = PartialState(cpu=on_cpu, backend="gloo" if on_cpu else None, timeout=TIMEOUT)
    try:
        yield Together(rank, world)
    finally:
        group.destroy_process_group()
        PartialState._reset_state()


def _errand(run: Run, rank: int, port: int) -> Errand:
    return Errand(
        recipe=run.recipe,
        scheme=run.scheme,
        source=run.encoder.source,
        digest=run.encoder.digest,
        store=run.store.root,
        train=run.train,
        rank=rank,
        world=run.processes,
        port=port,
        on_cpu=run.device.type == "cpu",
    )


def _spawn() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "al_core.training.helper"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _has_ended(helper: subprocess.Popen[bytes]) -> bool:
    """Its connection may be gone a moment before the process is."""
    try:
        helper.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(helpers: Sequence[subprocess.Popen[bytes]]) -> None:
    """They hold nothing that is needed: the first process has weights, state and result."""
    for helper in helpers:
        helper.kill()
        helper.wait()
        _pipe(helper.stdout).close()
        with suppress(BrokenPipeError):  # what it was not told any more
            _pipe(helper.stdin).close()


def _send(helper: subprocess.Popen[bytes], told: Errand | StepOrder) -> None:
    try:
        packed = pickle.dumps(told)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TrainError(f"clips that cannot be sent to another process ({error}): train with processes=1") from error
    try:
        _pipe(helper.stdin).write(packed)
        _pipe(helper.stdin).flush()
    except BrokenPipeError:
        raise TrainError(ENDED_EARLY) from None


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "helpers are always started with pipes"
    return pipe
