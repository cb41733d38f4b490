"""IA³: learned factors on keys, values, and the inside of the feed-forward layer; all 1 at the start.

    W x  ↦  l ⊙ (W x),   and of the second feed-forward linear   W x  ↦  W (l ⊙ x)

The paper's three are keys, values and the second feed-forward linear; `targets` picks among them or names others.

Reference: Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
NeurIPS 2022, arXiv:2205.05638.
"""

from al_core.peft.assembly import Assembly
from al_core.peft.injection import inject
from al_core.peft.specs import Ia3
from al_core.peft.targets import factor_names


def attach(method: Ia3, assembly: Assembly) -> None:
    """Wrap the linears."""
    import peft  # seconds to import: only those who train with it pay

    linears = assembly.linears(factor_names(method.targets, assembly.outline), method.last)
    inside = assembly.encoder.feed_forward_names[1]
    config = peft.IA3Config(
        base_model_name_or_path=assembly.encoder.source,
        target_modules=list(linears),
        feedforward_modules=[path for path in linears if path.endswith(inside)],
    )
    inject(config, assembly.name_adapter(method.kind), assembly.network)
