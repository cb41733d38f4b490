"""The recipes the fine-tuning benches compare, by the name their tables print."""

from dataclasses import replace

from al_core.peft.specs import (
    Adapter,
    BitFit,
    Combined,
    Dora,
    Full,
    Gate,
    Ia3,
    LastK,
    Lora,
    Prompts,
    Trained,
    WeightedSum,
)
from al_core.recipe import Recipe

FULL = "full, fp32"
PARTIAL = "last 3, bf16"
CACHED = "last 3, cached, bf16"
MIXTURE = Combined(parts=(Adapter(), Lora(), WeightedSum(), Gate()))


def _compared(method: Trained, learning_rate: float) -> Recipe:
    return Recipe(layer=3, pooling="mean_std", method=method, learning_rate=learning_rate, precision="bf16")


# What an optimiser step costs: every method as an operator would run it on a machine with bf16, and full fine-tuning
# and the last three blocks also without.
STEPS: dict[str, Recipe] = {
    FULL: Recipe(method=Full(front_end=True), precision="fp32", cache="off"),
    "full, bf16": Recipe(method=Full(front_end=True), precision="bf16", cache="off"),
    "full but the front end, fp32": Recipe(method=Full(), precision="fp32", cache="off"),
    "full but the front end, bf16": Recipe(method=Full(), precision="bf16", cache="off"),
    "last 3, fp32": Recipe(method=LastK(k=3), precision="fp32", cache="off"),
    PARTIAL: Recipe(method=LastK(k=3), precision="bf16", cache="off"),
    "last 3, cached, fp32": Recipe(method=LastK(k=3), precision="fp32"),
    CACHED: Recipe(method=LastK(k=3), precision="bf16"),
    "last 3, cached, bf16, compiled": Recipe(method=LastK(k=3), precision="bf16", compile=True),
    "BitFit": Recipe(method=BitFit(), precision="bf16"),
    "LoRA": Recipe(method=Lora(), precision="bf16"),
    "LoRA, activations computed twice": Recipe(method=Lora(), precision="bf16", checkpoint_activations=True),
    "LoRA on the last 3, cached": Recipe(method=Lora(last=3), precision="bf16"),
    "DoRA": Recipe(method=Dora(), precision="bf16"),
    "IA³": Recipe(method=Ia3(), precision="bf16"),
    "adapter, parallel": Recipe(method=Adapter(), precision="bf16"),
    "adapter, sequential": Recipe(method=Adapter(placement="sequential"), precision="bf16"),
    "prompts": Recipe(method=Prompts(), precision="bf16"),
    "prompts in the frames' softmax": Recipe(method=Prompts(softmax="shared"), precision="bf16"),
    "weighted sum": Recipe(method=WeightedSum(), precision="bf16"),
    "adapter + LoRA + weighted sum + gate": Recipe(method=MIXTURE, precision="bf16"),
}

# What quality is compared on. Whisper's middle layers carry emotion, so networks end at layer 3 of 4; mean and standard
# deviation over time are worth two points to the probe as well. The cached pair differs in nothing but the cache.
COMPARED: dict[str, Recipe] = {
    "probe, mean only": Recipe(layer=2),
    "probe": Recipe(layer=2, pooling="mean_std"),
    "last 2": _compared(LastK(k=2), 1e-4),
    "last 2, not cached": replace(_compared(LastK(k=2), 1e-4), cache="off"),
    "full": _compared(Full(), 1e-4),
    "BitFit": _compared(BitFit(), 1e-3),
    "LoRA, α = 1": _compared(Lora(), 1e-3),
    "LoRA, α = 16": _compared(Lora(alpha=16.0), 5e-4),
    "LoRA on attention too": _compared(Lora(alpha=16.0, targets="all"), 5e-4),
    "DoRA, α = 16": _compared(Dora(alpha=16.0), 5e-4),
    "IA³": _compared(Ia3(targets="all"), 3e-3),
    "adapter, parallel": _compared(Adapter(), 1e-3),
    "adapter, sequential": _compared(Adapter(placement="sequential"), 1e-3),
    "prompts": _compared(Prompts(), 3e-3),
    "weighted sum": _compared(WeightedSum(), 1e-3),
    "adapter + LoRA + weighted sum + gate": _compared(MIXTURE, 1e-3),
    "PEFT-SER: LoRA, weighted sum, convolutional head": replace(
        _compared(Combined(parts=(Lora(), WeightedSum())), 5e-4), layer=-1, pooling="mean", head="conv"
    ),
}
