"""Weight gating: a learned scalar scales what each inserted module adds.

    h + m(x)  ↦  h + sigmoid(g) · m(x),   g = 0 at the start

The modules are adapters, own-softmax prompts, and the low-rank updates of LoRA. Of DoRA and IA³ nothing is added that
could be scaled, nor of prompts that share the frames' softmax.

References: Lashkarashvili et al., arXiv:2402.11747 (weight gating); Mao et al., "UniPELT", arXiv:2110.07577, whose
gates also read their input. Our reading: one scalar a module, half open at the start.
"""

import torch
from torch import Tensor, nn

from al_core.peft.assembly import Assembly
from al_core.peft.specs import Gate


class ScalarGate(nn.Module):
    """sigmoid(g) · y."""

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.zeros(()))

    def forward(self, added: Tensor) -> Tensor:
        """What a module adds, of any shape → the same, scaled."""
        return torch.sigmoid(self.g) * added

    def scale(self, module: nn.Module, inputs: tuple[Tensor], added: Tensor) -> Tensor:
        """Hook on the module."""
        scaled: Tensor = self(added)
        return scaled


def attach(method: Gate, assembly: Assembly) -> None:
    """A gate for every addition that the other methods have made."""
    gates = assembly.inserted[method.kind] = nn.ModuleDict()
    for name, module in assembly.additions.items():
        gate = ScalarGate()
        module.register_forward_hook(gate.scale)
        gates[name.replace(".", "-")] = gate  # a module's name holds no dot


def factors(inserted: nn.ModuleDict, kind: str) -> dict[str, Tensor]:
    """sigmoid(g) of the gates on one kind of method's additions, by the addition's own name."""
    prefix = f"{kind}/"
    gates = inserted.get_submodule("gate").named_children() if "gate" in inserted else ()
    return {
        name.removeprefix(prefix).replace("-", "."): torch.sigmoid(gate.get_parameter("g").detach())
        for name, gate in gates
        if name.startswith(prefix)
    }
