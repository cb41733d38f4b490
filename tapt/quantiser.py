"""The Gumbel-softmax product quantiser of wav2vec 2.0: a frame becomes one entry of each of G codebooks."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST_SHARE = 1e-7  # as in fairseq and `transformers`


@dataclass(frozen=True, slots=True)
class Quantised:
    """Frames after quantisation.

    Attributes:
        vectors: (m, c) the chosen entries side by side, with a straight-through gradient to the choice.
        codes: (m, G) int64, the number of each chosen entry.
        mean: (G, V), p̄: the softmax averaged over frames, without noise.
    """

    vectors: Tensor
    codes: Tensor
    mean: Tensor

    @property
    def perplexity(self) -> Tensor:
        """Scalar, Σ_g exp H(p̄_g); at most G · V."""
        # An entry that no frame gives any float32 probability has a gradient of log 0 otherwise, which is not finite.
        return torch.exp(-(self.mean * torch.log(self.mean + _LEAST_SHARE)).sum(-1)).sum()


class GumbelQuantiser(nn.Module):
    """G codebooks of V entries (Baevski et al., arXiv:2006.11477, section 2; Jang et al., arXiv:1611.01144).

        p_gv ∝ exp((l_gv + n_v) / τ),  n = −log(−log(u)),  u uniform;  forward the argmax, backward p

    Without noise the entry with the largest logit is taken. Parameters and initialisation are those of `transformers`
    and fairseq.

    Args:
        width: c_in of the frames.
        groups, entries: G, V.
        vector_width: c of the quantised vectors, a multiple of G.
    """

    def __init__(self, width: int, groups: int, entries: int, vector_width: int) -> None:
        super().__init__()
        self.groups = groups
        self.entries = entries
        self.codevectors = nn.Parameter(torch.rand(1, groups * entries, vector_width // groups))
        self.weight_proj = nn.Linear(width, groups * entries)
        nn.init.normal_(self.weight_proj.weight)
        nn.init.zeros_(self.weight_proj.bias)

    def forward(self, frames: Tensor, temperature: float, noise: Tensor | None) -> Quantised:
        """(m, c_in) float32, τ, and noise (m, G, V), see `gumbel_noise` → quantised frames."""
        logits = self.weight_proj(frames).view(len(frames), self.groups, self.entries)  # (m, G, V)
        if noise is None:
            chosen = F.one_hot(logits.argmax(-1), self.entries).to(logits)
        else:
            soft = ((logits + noise) / temperature).softmax(-1)
            chosen = F.one_hot(soft.argmax(-1), self.entries) - soft.detach() + soft
        entries = self.codevectors.view(self.groups, self.entries, -1)  # (G, V, c / G)
        vectors = torch.einsum("mgv,gvc->mgc", chosen, entries).flatten(1)
        return Quantised(vectors, chosen.detach().argmax(-1), logits.softmax(-1).mean(0))


def gumbel_noise(frames: int, groups: int, entries: int, rng: np.random.Generator) -> Tensor:
    """(m, G, V) float32, −log(−log u) with u uniform; finite, though −log u is 0 once in some million draws."""
    drawn = rng.standard_exponential((frames, groups, entries), dtype=np.float32)
    return torch.from_numpy(-np.log(np.maximum(drawn, np.finfo(np.float32).tiny)))
