"""Deep embedding prompts as PEFT-SER has them: n learned vectors before the frames of every block's attention.

    Attention([P; X])[n:]

Frames and prompts share one softmax, so the prompts take attention from the frames from the first step on: training
does not start from the frozen encoder. Only the attention sees the prompts; what it says at their places is cut off at
once, which is the same as cutting it off behind the block, whose other layers treat each place alone.

Reference: Feng & Narayanan, "PEFT-SER", ACII 2023, arXiv:2306.05350. Our reading for pre-norm blocks: prompts stand
behind the layer norm, in what the projections read.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.encoders.wavlm import position_bias
from al_core.peft.assembly import Assembly
from al_core.peft.specs import Prompts


class SharedPrompts(nn.Module):
    """The prompts of one block.

    Args:
        n: how many.
        blocks: of the encoder, whose first one owns WavLM's positions.
    """

    def __init__(self, n: int, d: int, blocks: nn.ModuleList) -> None:
        super().__init__()
        self.prompts = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n, d)))
        self._blocks = (blocks,)  # in a tuple, so that they stay parts of the encoder and of nothing else

    def forward(self, hidden: Tensor) -> Tensor:
        """(b, f, d) → (b, n + f, d)."""
        return torch.cat([self.prompts.to(hidden.dtype).expand(len(hidden), -1, -1), hidden], dim=1)

    def prepend(self, attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Hook before the attention: frames, mask and positions grow by the prompts."""
        n = len(self.prompts)
        kwargs = dict(kwargs)
        if args:
            args = (self(args[0]), *args[1:])
        else:
            kwargs["hidden_states"] = self(kwargs["hidden_states"])
        if kwargs.get("attention_mask") is not None:  # additive (b, 1, 1, f): prompts are open to all
            kwargs["attention_mask"] = F.pad(kwargs["attention_mask"], (n, 0))
        if kwargs.get("position_bias") is not None:  # (h, f, f): prompts stand right before the first frame
            kwargs["position_bias"] = position_bias(self._blocks[0], n + kwargs["position_bias"].shape[-1])
        return args, kwargs

    def cut(self, attention: nn.Module, args: tuple[Any, ...], output: tuple[Any, ...]) -> tuple[Any, ...]:
        """Hook behind the attention: the prompts' places go."""
        return (output[0][:, len(self.prompts) :], *output[1:])


def attach(method: Prompts, assembly: Assembly) -> None:
    """Prompts for every block, put in and cut off by hooks on its attention."""
    prompts = assembly.inserted[method.kind] = nn.ModuleDict()
    for number, block in assembly.blocks(method.last).items():
        shared = SharedPrompts(method.n, assembly.encoder.hidden_size, assembly.encoder.blocks)
        attention = block.get_submodule(assembly.encoder.attention_name)
        attention.register_forward_pre_hook(shared.prepend, with_kwargs=True)
        attention.register_forward_hook(shared.cut)
        prompts[str(number)] = shared
