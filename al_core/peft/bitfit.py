"""BitFit: every bias of the blocks learns, and no weight.

Reference: Ben Zaken, Goldberg & Ravfogel, "BitFit", ACL 2022, arXiv:2106.10199. The biases of the keys are left out:
they add the same to a query's product with every key, which its softmax takes away again.
"""

from al_core.peft.assembly import Assembly, train
from al_core.peft.specs import BitFit

KEYS = "k_proj"


def attach(method: BitFit, assembly: Assembly) -> None:
    """Let the biases of linears and layer norms learn."""
    for block in assembly.blocks(method.last).values():
        for name, weight in block.named_parameters():
            if name.endswith(".bias") and KEYS not in name.split("."):
                train(weight)
