"""A network while methods are put together: what each of them may touch, and what they leave for one another."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.encoders.outline import Outline
from al_core.heads import Head
from al_core.peft.network import LastState, Network


@dataclass(slots=True, eq=False)
class Assembly:
    """The parts of a network to be. A method's `attach` changes it in place; nothing else passes between methods.

    Attributes:
        encoder: a frozen copy; a method that trains one of its weights calls `train`.
        stop: hidden state on top.
        outline: of the encoder, before anything was inserted.
        start: hidden state below the lowest trained block so far; `stop` while nothing is trained.
        inserted: modules outside the encoder's tree, by kind of method; parameters in it are trained.
        additions: modules whose output is added to what the frozen encoder computes, by a name for each: what a gate
            can scale.
        readout: hidden states start+1 … stop → what the head reads.
        adapters: kind of method → the name of its adapter in `peft`.
    """

    encoder: SpeechEncoder
    stop: int
    outline: Outline = field(init=False)
    start: int = field(init=False)
    inserted: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    additions: dict[str, nn.Module] = field(default_factory=dict)
    readout: nn.Module = field(default_factory=LastState)
    adapters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = self.stop
        self.outline = self.encoder.outline

    @property
    def network(self) -> Any:
        """The network as `transformers` knows it, whose paths `peft` uses."""
        return self.encoder.get_submodule("network")

    def blocks(self, last: int | None = None) -> dict[int, nn.Module]:
        """The last so many of the blocks that run, all by default, by number from 0. They count as trained."""
        first = self.stop - (self.stop if last is None else last)
        self.start = min(self.start, first)
        return dict(enumerate(list(self.encoder.blocks)[first : self.stop], first))

    def linears(self, names: tuple[str, ...], last: int | None = None) -> dict[str, nn.Module]:
        """Linears of those blocks, by path in the network of `transformers`; a wrapped one is its wrapper."""
        wanted = {
            id(module)
            for block in self.blocks(last).values()
            for path, module in block.named_modules()
            if path.rpartition(".")[2] in names
        }
        return {path: module for path, module in self.network.named_modules() if id(module) in wanted}

    def linear(self, block: nn.Module, name: str) -> nn.Module:
        """The one linear of a block whose path ends with this name, or what wraps it."""
        (found,) = (path for path, _ in block.named_modules() if path.rpartition(".")[2] == name)
        return block.get_submodule(found)

    def name_adapter(self, kind: str) -> str:
        """A name in `peft` that no adapter of a first stage has."""
        name = kind
        while name in getattr(self.network, "peft_config", {}):
            name += "_next"
        self.adapters[kind] = name
        return name

    def complete(self, head: Head) -> Network:
        """The network, its inserted modules on the encoder's device."""
        network = Network(self.encoder, self.start, self.stop, self.inserted, self.readout, head, self.adapters)
        return network.to(next(self.encoder.parameters()).device)


def train(weight: nn.Parameter) -> None:
    """Let a frozen weight learn, in storage of its own: the caller's encoder shares the old one."""
    if not weight.requires_grad:
        weight.data = weight.data.clone()
        weight.requires_grad_(True)
