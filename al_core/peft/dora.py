"""DoRA: LoRA of a linear's direction, and a learned magnitude for each of its outputs.

    W x  ↦  m ⊙ (W + (α / r) · B A) x / ‖W + (α / r) · B A‖,   norms over each output's row, m from those of W.

B is zero and m the norms of W at the start, so training starts from the frozen encoder.

References: Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", ICML 2024, arXiv:2402.09353. Feed-forward linears
by default, r = 16, α = 1, as PEFT-SER's LoRA.
"""

from al_core.peft.assembly import Assembly
from al_core.peft.injection import inject
from al_core.peft.specs import Dora
from al_core.peft.targets import linear_names


def attach(method: Dora, assembly: Assembly) -> None:
    """Wrap the linears."""
    import peft  # seconds to import: only those who train with it pay

    linears = assembly.linears(linear_names(method.targets, assembly.outline), method.last)
    config = peft.LoraConfig(
        base_model_name_or_path=assembly.encoder.source,
        use_dora=True,
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=list(linears),
    )
    inject(config, assembly.name_adapter(method.kind), assembly.network)
