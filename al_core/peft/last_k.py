"""Partial fine-tuning: the last k transformer blocks, on cached frames of the block below.

Reference: Sampath, Tavernor & Mower Provost, "Efficient Finetuning for Dimensional Speech Emotion Recognition in the
Age of Transformers", ICASSP 2025, arXiv:2503.03756. The front end, the blocks below the cut and the final layer norm
stay frozen.
"""

from al_core.peft.assembly import Assembly, train
from al_core.peft.specs import LastK


def attach(method: LastK, assembly: Assembly) -> None:
    """Let the weights of the last k blocks learn."""
    for block in assembly.blocks(method.k).values():
        for weight in block.parameters():
            train(weight)
