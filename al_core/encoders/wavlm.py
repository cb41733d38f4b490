"""WavLM's gated relative position bias, through fused attention and the projections' own `forward`.

`transformers` hands the projections' weights to torch's multi-head attention, which is slow and runs nothing that wraps
a projection (LoRA). This computes the same (a test compares them) and keeps every parameter under its name.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GatedAttention(nn.Module):
    """Self-attention with a position bias that each query gates (Chen et al., arXiv:2110.13900, section 3.1).

    bias_ij = (g_a · (g_b · c − 1) + 2) · r_|i−j|, with gates g_a, g_b = sigmoid of a linear map of the query's input, a
    constant c a head, and r the bucketed relative positions that the first block owns for all.

    Args:
        attention: the `WavLMAttention` whose parameters are taken over.
    """

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        plain: Any = attention
        self.num_heads = int(plain.num_heads)
        self.num_buckets = int(plain.num_buckets)
        self.max_distance = int(plain.max_distance)
        self.dropout = float(plain.dropout)
        for name, parameter in attention.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, module in attention.named_children():
            self.add_module(name, module)

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None, position_bias: Tensor, index: int = 0
    ) -> tuple[Tensor, None, Tensor]:
        """(b, f, d), additive (b, 1, 1, f) or None, (heads, f, f) → (b, f, d), no weights, and the bias again."""
        heads = self._split(hidden_states)  # (b, h, f, d / h)
        bias = self._gate(heads) * position_bias  # (b, h, f, f)
        if attention_mask is not None:
            bias = bias + attention_mask
        query, key, value = (self._split(getattr(self, name)(hidden_states)) for name in ("q_proj", "k_proj", "v_proj"))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        projected: Tensor = self.get_submodule("out_proj")(mixed.transpose(1, 2).flatten(2))  # (b, f, d)
        return projected, None, position_bias

    def _gate(self, heads: Tensor) -> Tensor:
        """(b, h, f, d / h) → (b, h, f, 1)."""
        projected: Tensor = self.get_submodule("gru_rel_pos_linear")(heads)  # (b, h, f, 8)
        projected = projected.view(*projected.shape[:-1], 2, 4).sum(-1)  # (b, h, f, 2)
        gate_a, gate_b = torch.sigmoid(projected).chunk(2, dim=-1)
        gate: Tensor = gate_a * (gate_b * self.get_parameter("gru_rel_pos_const") - 1.0) + 2.0
        return gate

    def _split(self, hidden: Tensor) -> Tensor:
        """(b, f, d) → (b, h, f, d / h)."""
        return hidden.view(*hidden.shape[:-1], self.num_heads, -1).transpose(1, 2)


def install_gated_attention(blocks: nn.ModuleList) -> None:
    """Replace the attention of every WavLM block."""
    for block in blocks:
        block.attention = GatedAttention(block.get_submodule("attention"))


def position_bias(blocks: nn.ModuleList, frames: int) -> Tensor:
    """Bias between every two frames before gating, (heads, f, f), from the first block's embedding of distances."""
    attention = blocks[0].attention
    if not isinstance(attention, GatedAttention):
        raise TypeError("the blocks have their own attention: call install_gated_attention first")
    embedding = attention.get_submodule("rel_attn_embed")
    position = torch.arange(frames, device=next(embedding.parameters()).device)
    buckets = _buckets(position[None] - position[:, None], attention.num_buckets, attention.max_distance)  # (f, f)
    bias: Tensor = embedding(buckets).permute(2, 0, 1)
    return bias


def _buckets(distance: Tensor, num_buckets: int, max_distance: int) -> Tensor:
    """Signed distance → bucket: one each for near ones, then logarithmically wider up to `max_distance`."""
    side = num_buckets // 2
    near = side // 2
    away = distance.abs()
    # clamp: the logarithm of 0 is never chosen, but must not become an undefined integer.
    far = torch.log(away.float().clamp(min=1) / near) / math.log(max_distance / near) * (side - near)
    bucket = torch.where(away < near, away, (near + far.long()).clamp(max=side - 1))
    return bucket + side * (distance > 0)
