"""Randomness drawn from (seed, stream, step), so that nothing random has to be saved to resume."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, auto

import numpy as np
import torch


class Stream(IntEnum):
    """Independent streams of one seed."""

    START = auto()
    UNITS = auto()
    ORDER = auto()
    MASKS = auto()
    DROPOUT = auto()


def generator(seed: int, stream: Stream, step: int, *within: int) -> np.random.Generator:
    """NumPy's randomness of one step (of one epoch, for the order), or of something within it."""
    return np.random.default_rng([seed, stream, step, *within])


@contextmanager
def drawn_from(seed: int, stream: Stream, step: int, device: torch.device, rank: int = 0) -> Iterator[None]:
    """Torch's global randomness of one step inside, other in every process; outside it is as it was."""
    accelerators = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(accelerators):
        torch.manual_seed(int(generator(seed, stream, step, rank).integers(2**63)))
        yield
