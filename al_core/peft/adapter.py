"""Bottleneck adapters: a small layer of two linears at the feed-forward layer of every block.

    a(x) = scale · U dropout(ReLU(D x)),   D (width, d), U (d, width) zero, so training starts from the frozen encoder

    parallel      FF(x)  ↦  FF(x) + a(x)
    sequential    FF(x)  ↦  FF(x) + a(FF(x))

References: Houlsby et al., arXiv:1902.00751 (sequential); He et al., arXiv:2110.04366 (parallel); Feng & Narayanan,
"PEFT-SER", ACII 2023, arXiv:2306.05350: width 128, scale 0.1, dropout 0.1. Our reading: x is what the feed-forward
linears themselves read and write, so a layer norm before them stays outside.
"""

import math

import torch
from torch import Tensor, nn

from al_core.peft.assembly import Assembly
from al_core.peft.specs import Adapter


class Bottleneck(nn.Module):
    """a(x): (b, f, d) → (b, f, d)."""

    def __init__(self, method: Adapter, d: int) -> None:
        super().__init__()
        self.down = nn.Linear(d, method.width)
        self.up = nn.Linear(method.width, d)
        self.dropout = nn.Dropout(method.dropout)
        self.scale = method.scale
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)
        self._beside: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Only what is added."""
        added: Tensor = self.scale * self.up(self.dropout(torch.relu(self.down(x))))
        return added

    def read_before(self, linear: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        """Hook on the first feed-forward linear, of the parallel adapter."""
        self._beside = self(inputs[0])

    def add_beside(self, linear: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """Hook on the last feed-forward linear, of the parallel adapter."""
        assert self._beside is not None, "the first linear of a feed-forward layer runs before its last"
        beside, self._beside = self._beside, None
        return output + beside

    def add_behind(self, linear: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """Hook on the last feed-forward linear, of the sequential adapter."""
        added: Tensor = self(output)
        return output + added


def attach(method: Adapter, assembly: Assembly) -> None:
    """One adapter a block, called by hooks on the feed-forward linears."""
    adapters = assembly.inserted[method.kind] = nn.ModuleDict()
    for number, block in assembly.blocks(method.last).items():
        adapter = Bottleneck(method, assembly.encoder.hidden_size)
        first, last = (assembly.linear(block, name) for name in assembly.encoder.feed_forward_names)
        if method.placement == "parallel":
            first.register_forward_hook(adapter.read_before)
            last.register_forward_hook(adapter.add_beside)
        else:
            last.register_forward_hook(adapter.add_behind)
        adapters[str(number)] = assembly.additions[f"{method.kind}/{number}"] = adapter
