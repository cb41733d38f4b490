"""What a network says about clips: logits over classes, values of dimensions."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """What a network returns for b clips.

    Attributes:
        logits: (b, c) float32 over the scheme's classes; (b, 0) without classes.
        dimensions: (b, m) float32 on the unit scale, (x − low) / (high − low), not clipped; (b, 0) without dimensions.
    """

    logits: Tensor
    dimensions: Tensor
