"""Mixed precision: which type the matrix products of a training step run in."""

from contextlib import AbstractContextManager, nullcontext
from typing import assert_never

import torch

from al_core.recipe import Precision, RecipeError


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """float32, bfloat16 or float16; "auto" is bfloat16 on an accelerator that has it, otherwise float32.

    Raises:
        RecipeError: float16 on a CPU, which has neither the speed nor the range for it.
    """
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            return torch.bfloat16
        case "fp16":
            if device.type == "cpu":
                raise RecipeError('recipe.precision is "fp16": a CPU trains in "bf16" or "fp32"')
            return torch.float16
        case "auto":
            has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.bfloat16 if has_bf16 else torch.float32
        case _:
            assert_never(precision)


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """The context a forward pass runs in; nothing at all for float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
