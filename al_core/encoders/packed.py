"""Linear layers packed for the processor they run on: the same product, faster, for inference only."""

import copy
import platform
from typing import Any

import torch
from torch import Tensor, nn

from al_core.encoders.base import SpeechEncoder


class PackedLinear(nn.Module):
    """x W^T + b by oneDNN on a weight it has laid out once; takes no gradient.

    torch hands float32 products to MKL, which leaves half of an AMD core idle: a 150 × 768 × 3072 product ran at
    83 GFLOP/s there and at 207 packed. These are the operators that `torch.compile` freezes linear layers into.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._operators: Any = torch.ops.mkldnn
        self._packed = self._operators._reorder_linear_weight(linear.weight.detach(), None)
        # The original's, not copies: what wraps a linear (LoRA, DoRA) reads them.
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out), float32 on the CPU."""
        product: Tensor = self._operators._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return product


def packed_copy(encoder: SpeechEncoder) -> SpeechEncoder:
    """An encoder for inference whose blocks' linears are packed; every other weight is the original's, not a copy.

    Where packing does not apply (an accelerator, another processor than x86-64, other dtypes) it is the encoder itself.
    """
    first = next(encoder.parameters())
    has_mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    on_x86 = platform.machine() in ("x86_64", "AMD64") and has_mkldnn
    if first.device.type != "cpu" or first.dtype != torch.float32 or not on_x86:
        return encoder
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*encoder.parameters(), *encoder.buffers())}
    packed = copy.deepcopy(encoder, shared)
    for name, module in list(packed.blocks.named_modules()):
        # Subclasses do something else in their forward.
        if type(module) is nn.Linear:
            parent, _, attribute = name.rpartition(".")
            setattr(packed.blocks.get_submodule(parent), attribute, PackedLinear(module))
    return packed.eval()
