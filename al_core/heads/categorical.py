"""The output over classes: one linear layer in which classes without a training label have probability 0."""

import numpy as np
import torch
from torch import Tensor, nn

from al_core.linear.logistic import Logistic
from al_core.targets import Floats


class CategoricalOutput(nn.Module):
    """Logits over the scheme's classes; those without a training label (buffer `seen`) get the lowest there is.

    Args:
        width: p, of what is read.
        n_classes: c, at least 2.
    """

    seen: Tensor

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, n_classes)
        self.register_buffer("seen", torch.ones(n_classes, dtype=torch.bool))

    def begin(self, targets: Floats) -> None:
        """Note which classes occur in (n, c) training targets."""
        self.seen.copy_(torch.from_numpy(np.asarray(targets.sum(axis=0) > 0)))

    def start_from(self, logistic: Logistic) -> None:
        """Take a logistic regression's weights: probe first, then fine-tune (Kumar et al., arXiv:2202.10054)."""
        bias = torch.from_numpy(logistic.bias)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(logistic.weights))
            self.linear.bias.copy_(torch.where(bias.isfinite(), bias, 0))

    def forward(self, features: Tensor) -> Tensor:
        """(b, p) float32 → (b, c) float32."""
        logits: Tensor = self.linear(features)
        return logits.masked_fill(~self.seen, torch.finfo(torch.float32).min)
