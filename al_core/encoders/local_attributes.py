"""An encoder with local attributes: a plain encoder up to one hidden state, and a trained adapter as one block on top.

On disk it is a small folder beside the plain encoder's: `adapter.safetensors`, and `local_attributes.json` with the
adapter's sizes, where the plain encoder is, and its digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.audio import Waveform
from al_core.encoders.base import Batch, SpeechEncoder, attention_mask_of, resolve_stop
from al_core.encoders.outline import LOCAL_ATTRIBUTES, Outline

WEIGHTS = "adapter.safetensors"


@dataclass(frozen=True, slots=True)
class AdapterSizes:
    """Of a WAP-Transformer.

    Attributes:
        hidden_size: d, of the encoder's frames.
        width, blocks, heads: of the transformer.
        dropout: in it, while it learns.
    """

    hidden_size: int
    width: int = 256
    blocks: int = 3
    heads: int = 8
    dropout: float = 0.1


class _Block(nn.Module):
    """A pre-norm transformer block: x + attention(norm(x)), then x + W₂ gelu(W₁ norm(x)) with 4 · width inside."""

    def __init__(self, sizes: AdapterSizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.dropout = sizes.dropout
        self.attention_norm = nn.LayerNorm(width)
        self.mix_in = nn.Linear(width, 3 * width)
        self.mix_out = nn.Linear(width, width)
        self.forward_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(b, f, w) and the additive (b, 1, 1, f) mask or None → (b, f, w)."""
        parts = self.mix_in(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # (b, f, 3, h, w / h)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (b, h, f, w / h) each
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, dropout_p=dropout)
        x = x + self._drop(self.mix_out(mixed.transpose(1, 2).flatten(2)))
        return x + self._drop(self.narrow(F.gelu(self.widen(self.forward_norm(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class WapTransformer(nn.Module):
    """The adapter of Song et al. (arXiv:2509.23795): transformer blocks whose outputs are summed by learned weights.

        x = (h − μ) / σ,  X_0 = W x,  X_l = block_l(X_{l−1}),  Z = Σ_l softmax(w)_l X_l,  out = x + V norm(Z)

    The paper gives blocks and weighted sum. Our reading: frames are standardised, for a few dimensions of Whisper's are
    tens of times larger than the rest; the output is as wide as the input and begins near it; no positions are added,
    for the encoder's frames know theirs. A hidden frame's x is a learned embedding.
    """

    def __init__(self, sizes: AdapterSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("mean", torch.zeros(sizes.hidden_size))
        self.register_buffer("scale", torch.ones(sizes.hidden_size))
        self.mask_embedding = nn.Parameter(torch.zeros(sizes.hidden_size))
        self.project = nn.Linear(sizes.hidden_size, sizes.width)
        self.layers = nn.ModuleList(_Block(sizes) for _ in range(sizes.blocks))
        self.layer_weights = nn.Parameter(torch.zeros(sizes.blocks))
        self.norm = nn.LayerNorm(sizes.width)
        self.expand = nn.Linear(sizes.width, sizes.hidden_size)
        with torch.no_grad():
            self.expand.weight.mul_(0.1)
            self.expand.bias.zero_()

    def forward(self, hidden: Tensor, frame_mask: Tensor, masked: Tensor | None = None) -> Tensor:
        """(b, f, d), (b, f) bool, and which frames are hidden, (b, f) bool → (b, f, d)."""
        x = (hidden - self.get_buffer("mean")) / self.get_buffer("scale")
        if masked is not None:
            x = torch.where(masked[..., None], self.mask_embedding.to(x.dtype), x)
        above = self.project(x)
        attention_mask = attention_mask_of(frame_mask, above.dtype)
        total = torch.zeros_like(above)
        for layer, weight in zip(self.layers, self.layer_weights.softmax(0), strict=True):
            above = layer(above, attention_mask)
            total = total + weight * above
        out: Tensor = x + self.expand(self.norm(total))
        return out


class LocalAttributeEncoder(SpeechEncoder):
    """Blocks 1 … layer of a plain encoder, then the adapter as block layer + 1, whose output is the last hidden state.

    The hidden states below are the plain encoder's own, front end and preparation too. The plain encoder's blocks above
    `layer` never run.

    Args:
        base: the plain encoder; it is shared, not copied.
        layer: its hidden state that the adapter reads.
        adapter: trained.
    """

    is_plain = False

    def __init__(self, base: SpeechEncoder, layer: int, adapter: WapTransformer) -> None:
        super().__init__()
        self.base = base
        self.layer = layer
        self.adapter = adapter
        self.family = base.family
        self.source = base.source
        self.hidden_size = base.hidden_size
        self.feed_forward_names = base.feed_forward_names
        self.attention_name = base.attention_name
        self.digest = _digest(base.digest, layer, adapter)

    @property
    def network(self) -> nn.Module:
        """The plain encoder's, as `transformers` knows it."""
        return self.base.get_submodule("network")

    @property
    def blocks(self) -> nn.ModuleList:
        """The plain encoder's that run, and the adapter."""
        return nn.ModuleList([*list(self.base.blocks)[: self.layer], self.adapter])

    @property
    def outline(self) -> Outline:
        """The plain encoder's, with the adapter as its last block."""
        return self.base.outline.with_local_attributes(self.layer)

    @property
    def final_norm(self) -> None:
        """None: the adapter's own norm is inside it."""
        return None

    def front_end_weights(self) -> list[nn.Parameter]:
        """The plain encoder's."""
        return self.base.front_end_weights()

    @property
    def feature_size(self) -> int:
        """The plain encoder's."""
        return self.base.feature_size

    def local_features(self, batch: Batch) -> tuple[Tensor, ...]:
        """The plain encoder's."""
        return self.base.local_features(batch)

    def prepare(self, waveforms: Sequence[Waveform]) -> Batch:
        """The plain encoder's."""
        return self.base.prepare(waveforms)

    def front_end(self, batch: Batch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The plain encoder's hidden state 0, (b, f, d), and the frame mask, (b, f) bool."""
        return self.base.front_end(batch, masked)

    def run(self, hidden: Tensor, frame_mask: Tensor, start: int = 0, stop: int | None = None) -> list[Tensor]:
        """Hidden states start + 1 … stop, (b, f, d) each; the last is the adapter's.

        Raises:
            ValueError: not 0 ≤ start < stop ≤ n_layers.
        """
        stop = resolve_stop(start, stop, self.n_layers)
        states: list[Tensor] = []
        if start < self.layer:
            self.base.recompute_activations = self.recompute_activations
            states += self.base.run(hidden, frame_mask, start, min(stop, self.layer))
            hidden = states[-1]
        if stop > self.layer:
            states.append(self._through(self.adapter, hidden, frame_mask=frame_mask))
        return states

    def frame_counts(self, samples: Sequence[int]) -> list[int]:
        """The plain encoder's."""
        return self.base.frame_counts(samples)

    def save(self, folder: Path) -> None:
        """Write the adapter and where the plain encoder is: a folder for `open_encoder`, not for `transformers`."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.contiguous().cpu() for name, tensor in self.adapter.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        place = Path(self.base.source)
        described = {
            "encoder": str(place.resolve()) if place.is_dir() else self.base.source,
            "encoder_digest": self.base.digest,
            "layer": self.layer,
            "sizes": asdict(self.adapter.sizes),
        }
        (folder / LOCAL_ATTRIBUTES).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def read_adapter(folder: Path, described: Mapping[str, Any]) -> WapTransformer:
    """The adapter of a folder whose `local_attributes.json` says this.

    Raises:
        OSError, SafetensorError, KeyError, TypeError, RuntimeError: what the folder lacks, or what does not fit.
    """
    from safetensors.torch import load_file

    with torch.random.fork_rng(devices=[]):  # drawn, then overwritten
        adapter = WapTransformer(AdapterSizes(**described["sizes"]))
    adapter.load_state_dict(load_file(folder / WEIGHTS))
    return adapter


def _digest(base_digest: str, layer: int, adapter: nn.Module) -> str:
    digest = hashlib.sha256(f"{base_digest} {layer} ".encode())
    for name, tensor in sorted(adapter.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()
