"""Deep prompts with a softmax of their own: n learned vectors a block that every frame attends to, beside the frames.

    Attention(q, K, V)  ↦  Attention(q, K, V) + Attention(q, W_k P, W_v (P − P₀))

P₀ is where the prompts P started. Their values are measured from there, so training starts from the frozen encoder and
yet has a gradient; with a softmax of their own, prompts take no attention away from the frames. Our variant of
PEFT-SER's deep embedding prompts (Feng & Narayanan, arXiv:2306.05350; theirs: `shared_prompts.py`), after the view of
prompts as attention added to a block's own (He et al., arXiv:2110.04366).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.peft.assembly import Assembly
from al_core.peft.specs import Prompts


class OwnPrompts(nn.Module):
    """The prompts of one block.

    Args:
        n: how many.
        attention: of the block; its projections make keys and values of the prompts, whatever wraps them.
    """

    origin: Tensor

    def __init__(self, n: int, d: int, attention: nn.Module) -> None:
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(n, d))  # P − P₀
        # Standard normal, about as frames are: queries tell such prompts apart as well as they do frames.
        self.register_buffer("origin", torch.randn(n, d))  # P₀
        # In a tuple, so that they stay parts of the encoder and of nothing else.
        self._projections = (attention.get_submodule("k_proj"), attention.get_submodule("v_proj"))
        self._heads = int(attention.num_heads)  # type: ignore[arg-type]  # a Module's attributes may be anything
        self._heard: Tensor | None = None

    def forward(self, query: Tensor) -> Tensor:
        """Projected queries (b, f, d) → what is added to the mixed values, (b, f, d)."""
        project_key, project_value = self._projections
        key = project_key(self.origin + self.moved)  # (n, d)
        # Without its bias, which would not be 0 at the start.
        value = project_value(self.moved) - project_value(torch.zeros_like(self.moved))  # (n, d)
        key, value = (self._split(one[None]).expand(len(query), -1, -1, -1) for one in (key, value))
        mixed = F.scaled_dot_product_attention(self._split(query), key, value)  # (b, h, f, d / h)
        return mixed.transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        """(b, f, d) → (b, h, f, d / h)."""
        return x.view(*x.shape[:-1], self._heads, -1).transpose(1, 2)

    def listen(self, projection: nn.Module, inputs: tuple[Tensor], query: Tensor) -> None:
        """Hook on the queries' projection."""
        self._heard = self(query)

    def add(self, projection: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """Hook before the output's projection."""
        assert self._heard is not None, "an attention projects its queries before its output"
        heard, self._heard = self._heard, None
        return (inputs[0] + heard,)


def attach(method: Prompts, assembly: Assembly) -> None:
    """Prompts for every block, called by hooks on its attention's projections."""
    prompts = assembly.inserted[method.kind] = nn.ModuleDict()
    for number, block in assembly.blocks(method.last).items():
        attention = block.get_submodule(assembly.encoder.attention_name)
        own = OwnPrompts(method.n, assembly.encoder.hidden_size, attention)
        attention.get_submodule("q_proj").register_forward_hook(own.listen)
        attention.get_submodule("out_proj").register_forward_pre_hook(own.add)
        prompts[str(number)] = assembly.additions[f"{method.kind}/{number}"] = own
