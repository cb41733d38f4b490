"""How many processes a run gets."""

import torch

from al_core.encoders import SpeechEncoder
from al_core.processes.errors import ProcessError


def n_processes(encoder: SpeechEncoder, most: int, wanted: int | None) -> int:
    """One a GPU when the encoder lies on the first, otherwise one.

    An encoder that was put on another GPU than the first was put there on purpose, and stays alone.

    Args:
        encoder: decides by its device.
        most: that have something to do.
        wanted: by the caller, any number on a CPU; None decides here.

    Raises:
        ProcessError: fewer than 1, or more than there are GPUs.
    """
    device = next(encoder.parameters()).device
    found = torch.cuda.device_count() if device.type == "cuda" and device.index in (None, 0) else 1
    if wanted is None:
        return min(found, most)
    if wanted < 1 or (wanted > found and device.type != "cpu"):
        raise ProcessError(f"processes is {wanted}: use 1 to {found}, as many as there are devices")
    return min(wanted, most)
