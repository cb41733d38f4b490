"""What describes each fine-tuning method: frozen parameters and the union `Method`. No torch, no import of a method."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Probe:
    """Multinomial logistic regression on standardised pooled embeddings; the encoder stays frozen.

    `c` is the inverse of the L2 penalty, as in scikit-learn.
    """

    kind: Literal["probe"] = "probe"
    c: float = 0.1


@dataclass(frozen=True, slots=True)
class LastK:
    """The last `k` transformer blocks and a head, trained from cached frames of the block below them.

    `cache` is the type the frames are stored in: float16 takes half the disk (76.8 kB a second at 768 wide).
    """

    kind: Literal["last_k"] = "last_k"
    k: int = 2
    cache: Literal["float16", "float32"] = "float16"


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank updates of both feed-forward linears of every block, and a head (PEFT-SER, arXiv:2306.05350)."""

    kind: Literal["lora"] = "lora"
    rank: int = 16
    alpha: float = 1.0
    dropout: float = 0.0


Method = Probe | LastK | Lora
