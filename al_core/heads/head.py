"""A head: a trunk that turns a clip's frames into one vector, and an output for classes, for dimensions, or both."""

from typing import assert_never

import torch
from torch import Tensor, nn

from al_core.heads.categorical import CategoricalOutput
from al_core.heads.conv import ConvTrunk
from al_core.heads.dimensional import DimensionalOutput
from al_core.heads.linear import LinearTrunk
from al_core.heads.outputs import Outputs
from al_core.linear.logistic import fit_logistic
from al_core.linear.ridge import fit_ridge
from al_core.linear.standardise import Standard
from al_core.recipe import HeadKind, Pooling
from al_core.scheme import Scheme
from al_core.targets import Floats, LabelledClips, to_unit

# A head that fits its few clips perfectly leaves the blocks nothing to learn: start it with a strong penalty.
START_C = 0.01


class Head(nn.Module):
    """Frames → trunk → (b, p) → one linear layer an output.

    Args:
        trunk: pooling, and what surrounds it.
        scheme: classes and dimensions, in the outputs' order.

    Attributes:
        classes, dimensions: the outputs; None where the scheme has no such targets.
        starts_as_probe: whether `start_from` can make it a fitted linear probe.
    """

    def __init__(self, trunk: LinearTrunk | ConvTrunk, scheme: Scheme) -> None:
        super().__init__()
        self.trunk = trunk
        self.scheme = scheme
        self.classes = CategoricalOutput(trunk.width, len(scheme.classes)) if scheme.classes else None
        self.dimensions = DimensionalOutput(trunk.width, len(scheme.dimensions)) if scheme.dimensions else None
        self.starts_as_probe = isinstance(trunk, LinearTrunk)

    def pooled(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """What the trunk pools, (b, f, d), (b, f) bool → (b, p) float32: `start_from` is given these."""
        return self.trunk.pooled(frames, frame_mask)

    def begin(self, train: LabelledClips) -> None:
        """Before the first step, whatever the head: classes that never occur, the mean of each dimension."""
        if self.classes is not None:
            self.classes.begin(train.targets)
        if self.dimensions is not None and train.dimensions is not None:
            self.dimensions.begin(to_unit(train.dimensions, self.scheme))

    def start_from(self, pooled: Floats, train: LabelledClips, class_weighted: bool) -> None:
        """`begin`, and become the linear probe of the frozen encoder: logistic and ridge regression, C = 0.01.

        Args:
            pooled: (n, p) float32 of the training clips, from `pooled` on the frozen encoder's frames.
            train: their labels; at least two classes, and a value of every dimension (`check_dimensions`).
            class_weighted: classes are weighed by inverse frequency.

        Raises:
            TypeError: this head has a hidden layer, so it does not start as a probe.
        """
        if not isinstance(self.trunk, LinearTrunk):
            raise TypeError("a head with a hidden layer does not start as a probe: call begin")
        self.begin(train)
        standard = Standard.fit(pooled)
        self.trunk.standardise(standard)
        if self.classes is not None:
            self.classes.start_from(fit_logistic(pooled, train.mass, START_C, class_weighted, standard))
        if self.dimensions is not None and train.dimensions is not None:
            self.dimensions.start_from(fit_ridge(pooled, to_unit(train.dimensions, self.scheme), START_C, standard))

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Outputs:
        """(b, f, d), (b, f) bool → logits (b, c) and dimensions (b, m), both float32, also under autocast."""
        features: Tensor = self.trunk(frames, frame_mask)
        # Cheap, and half precision would round logits to three digits: never under autocast.
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            nothing = features.new_zeros(len(features), 0)
            return Outputs(
                logits=self.classes(features) if self.classes is not None else nothing,
                dimensions=self.dimensions(features) if self.dimensions is not None else nothing,
            )


def build_head(kind: HeadKind, pooling: Pooling, width: int, scheme: Scheme) -> Head:
    """A head for frames `width` wide, on the CPU, from torch's global generator."""
    match kind:
        case "linear":
            return Head(LinearTrunk(width, pooling), scheme)
        case "conv":
            return Head(ConvTrunk(width, pooling), scheme)
        case _:
            assert_never(kind)
