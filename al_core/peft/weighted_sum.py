"""Weighted sum of layers: the head reads a learned mixture of the hidden states that are run, not one of them.

    Σ_i softmax(w)_i · h_i   over hidden states i = start+1 … stop, with w = 0 at the start: their mean

Alone it sums the outputs of all blocks (12 weights for 12 blocks); beside methods that train the last n blocks, theirs.

References: Peters et al., ELMo, arXiv:1802.05365; Yang et al., SUPERB, arXiv:2105.01051; PEFT-SER, arXiv:2306.05350;
Lashkarashvili et al., arXiv:2402.11747, where it is one of the adaptors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from al_core.peft.assembly import Assembly
from al_core.peft.specs import WeightedSum


class LayerMixture(nn.Module):
    """n hidden states (b, f, d) → one, float32 as the weights."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n))

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Σ softmax(w)_i · h_i."""
        shares = self.weights.softmax(dim=0)
        mixed = shares[0] * states[0]
        for share, state in zip(shares[1:], states[1:], strict=True):
            mixed = mixed + share * state
        return mixed


def attach(method: WeightedSum, assembly: Assembly) -> None:
    """Put the mixture between the blocks and the head."""
    if assembly.start == assembly.stop:  # no other method trains a block
        assembly.start = 0
    assembly.readout = LayerMixture(assembly.stop - assembly.start)
