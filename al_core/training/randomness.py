"""Randomness drawn from (seed, step, …), so that nothing random has to be saved to resume."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.random import SeedSequence


@contextmanager
def seeded(device: torch.device, seed: int, *counters: int) -> Iterator[None]:
    """torch's global generators inside; outside they are as they were, for a generator function shares them.

    Args:
        device: whose generator is set, beside the CPU's.
        seed: the recipe's.
        counters: what tells this draw from the others, for example the step.
    """
    accelerators = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(accelerators):
        torch.manual_seed(int(SeedSequence([seed, *counters]).generate_state(1, np.uint64)[0] >> 1))
        yield
