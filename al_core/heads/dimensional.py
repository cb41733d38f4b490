"""The output over dimensions: one linear layer on the unit scale."""

import numpy as np
import torch
from torch import Tensor, nn

from al_core.linear.ridge import Ridge
from al_core.targets import Floats


class DimensionalOutput(nn.Module):
    """Values of the scheme's dimensions on the unit scale, not clipped: a clipped value would have no gradient.

    Args:
        width: p, of what is read.
        n_dimensions: m, at least 1.
    """

    def __init__(self, width: int, n_dimensions: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, n_dimensions)

    def begin(self, unit: Floats) -> None:
        """Start at the mean of the (n, m) training values, NaN where unknown, at least one known in each column."""
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(np.nanmean(unit, axis=0)))

    def start_from(self, ridge: Ridge) -> None:
        """Take a ridge regression's weights."""
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(ridge.weights))
            self.linear.bias.copy_(torch.from_numpy(ridge.bias))

    def forward(self, features: Tensor) -> Tensor:
        """(b, p) float32 → (b, m) float32."""
        values: Tensor = self.linear(features)
        return values
