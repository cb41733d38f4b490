"""LoRA: a low-rank update of linears, of both feed-forward ones of every block by default.

    W x  ↦  W x + (α / r) · B A x,   A (r, in) uniform, B (out, r) zero, so training starts from the frozen encoder.

References: Hu et al., "LoRA", arXiv:2106.09685; Feng & Narayanan, "PEFT-SER", ACII 2023, arXiv:2306.05350, whose choice
the defaults are: feed-forward layers and not the attention, r = 16, α = 1, no dropout.
"""

from al_core.peft.assembly import Assembly
from al_core.peft.injection import inject, low_rank_layers
from al_core.peft.specs import Lora
from al_core.peft.targets import linear_names


def attach(method: Lora, assembly: Assembly) -> None:
    """Wrap the linears; B's outputs are what a gate scales."""
    import peft  # seconds to import: only those who train with it pay

    linears = assembly.linears(linear_names(method.targets, assembly.outline), method.last)
    config = peft.LoraConfig(
        base_model_name_or_path=assembly.encoder.source,
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=list(linears),
    )
    name = assembly.name_adapter(method.kind)
    inject(config, name, assembly.network)
    for path, layer in low_rank_layers(assembly.network, name).items():
        assembly.additions[f"{method.kind}/{path}"] = layer.lora_B[name]
