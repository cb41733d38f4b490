"""Descriptions of the strategies that read what the classifier predicts of each clip's class."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from al_core.strategies.errors import require


def check_passes(passes: int, least: int, dropout: float) -> None:
    """Refuse a number of dropout passes, or a rate of dropped columns, that means nothing."""
    require(passes >= least, "passes", passes, f"at least {least}")
    require(0 < dropout < 1, "dropout", dropout, "above 0 and below 1")


@dataclass(frozen=True, slots=True)
class Entropy:
    """Largest entropy of the predicted class distribution."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["entropy"] = "entropy"


@dataclass(frozen=True, slots=True)
class LeastConfidence:
    """Smallest probability of the most likely class."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["least_confidence"] = "least_confidence"


@dataclass(frozen=True, slots=True)
class Margin:
    """Smallest gap between the two most likely classes."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["margin"] = "margin"


@dataclass(frozen=True, slots=True)
class Badge:
    """k-means++ over hallucinated gradients (Ash et al., ICLR 2020), factorised: no outer product is built."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["badge"] = "badge"


@dataclass(frozen=True, slots=True)
class ClusterMargin:
    """The smallest margins, taken in turn from their clusters, small clusters first (Citovsky et al., NeurIPS 2021)."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["cluster_margin"] = "cluster_margin"
    candidates_per_pick: int = 10

    def __post_init__(self) -> None:
        require(self.candidates_per_pick >= 1, "candidates_per_pick", self.candidates_per_pick, "at least 1")


@dataclass(frozen=True, slots=True)
class RankedBatch:
    """Uncertain and unlike what is labelled or chosen (Cardoso et al., 2017), as modAL defines it."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["ranked_batch"] = "ranked_batch"


@dataclass(frozen=True, slots=True)
class Bald:
    """Largest mutual information between label and classifier (Houlsby et al., 2011), by `passes` dropout passes."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["bald"] = "bald"
    passes: int = 20
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_passes(self.passes, 2, self.dropout)


@dataclass(frozen=True, slots=True)
class BatchBald:
    """Largest mutual information of the whole batch's labels and the classifier (Kirsch et al., NeurIPS 2019)."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["batch_bald"] = "batch_bald"
    passes: int = 20
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_passes(self.passes, 2, self.dropout)


@dataclass(frozen=True, slots=True)
class PowerBald:
    """BALD with noise that keeps a batch from being one doubt repeated (Kirsch et al., TMLR 2023).

    A clip is drawn with weight BALD to the power of `power`: 0 is random, large is plain BALD.
    """

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["power_bald"] = "power_bald"
    passes: int = 20
    dropout: float = 0.5
    power: float = 1.0

    def __post_init__(self) -> None:
        check_passes(self.passes, 2, self.dropout)
        require(self.power > 0, "power", self.power, "above 0")


@dataclass(frozen=True, slots=True)
class DropQuery:
    """Central clips among those whose guess dropout overturns (Gupte et al., TMLR 2024)."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    kind: Literal["drop_query"] = "drop_query"
    passes: int = 3
    dropout: float = 0.75

    def __post_init__(self) -> None:
        check_passes(self.passes, 2, self.dropout)


@dataclass(frozen=True, slots=True)
class Modal:
    """A modAL-style callable `(learner, X, n_instances) → (indices, metric)`, by import path `package.module:name`."""

    needs_probabilities: ClassVar[bool] = True
    needs_dimensions: ClassVar[bool] = False
    path: str
    kind: Literal["modal"] = "modal"
