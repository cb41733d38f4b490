"""The group of processes on this machine, which `accelerate` joins: NCCL between GPUs, gloo between CPUs."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch

from al_core.processes.ranks import Together

# A process that waits longer for the others gives up.
TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Place:
    """A process's place in its group.

    Attributes:
        rank: its number, 0 for the one that owns the run.
        world: number of processes.
        port: of this machine, where they meet.
        on_cpu: whether all of them compute on the CPU; otherwise each on the GPU of its rank.
    """

    rank: int
    world: int
    port: int
    on_cpu: bool

    @property
    def device(self) -> torch.device:
        """Where the process computes."""
        return torch.device("cpu") if self.on_cpu else torch.device("cuda", self.rank)


@contextmanager
def joined(place: Place) -> Iterator[Together]:
    """This process as a member of its group, and its device set.

    accelerate reads its place from the environment and keeps it for the life of the process; both are undone here, so
    that a process that trains again, alone or in another group, begins from nothing.
    """
    from accelerate import PartialState
    from accelerate.utils import patch_environment

    PartialState._reset_state()
    named = {
        "rank": place.rank,
        "local_rank": place.rank,
        "world_size": place.world,
        "local_world_size": place.world,
        "master_addr": "127.0.0.1",
        "master_port": place.port,
        "omp_num_threads": torch.get_num_threads(),
    }
    with patch_environment(**named):
        group = PartialState(cpu=place.on_cpu, backend="gloo" if place.on_cpu else None, timeout=TIMEOUT)
    try:
        yield Together(place.rank, place.world, place.device)
    finally:
        group.destroy_process_group()
        PartialState._reset_state()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
