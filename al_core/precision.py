"""Mixed precision: which type the matrix products of a training step run in."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import assert_never

import torch

from al_core.recipe import Precision, RecipeError

# How many kernels torch and oneDNN keep on a CPU, each made for one shape: 1,024 by default.
KEPT_KERNELS = {"LRU_CACHE_CAPACITY": "32", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """float32, bfloat16 or float16; "auto" is bfloat16 on an accelerator that has it, float16 on others, else float32.

    On a CPU bfloat16 is worth asking for only where the CPU multiplies in it, which torch does not tell.

    Raises:
        RecipeError: float16 on a CPU, which has neither the speed nor the range for it.
    """
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            if device.type == "cpu":
                _keep_few_kernels()
            return torch.bfloat16
        case "fp16":
            if device.type == "cpu":
                raise RecipeError('recipe.precision is "fp16": a CPU trains in "bf16" or "fp32"')
            return torch.float16
        case "auto":
            if device.type == "cpu":
                return torch.float32
            has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if has_bf16 else torch.float16
        case _:
            assert_never(precision)


def _keep_few_kernels() -> None:
    """Bound what bfloat16 on a CPU remembers: one to three MB a product and shape, and every minibatch has its own.

    Training grew by gigabytes over epochs without it. The limits are read at the first such product of a process; what
    its environment says already stays.
    """
    for name, limit in KEPT_KERNELS.items():
        os.environ.setdefault(name, limit)


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """The context a forward pass runs in; nothing at all for float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
