"""The classifier of every method that trains a network: the network, and where its input comes from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from al_core.classifier import Predictions
from al_core.encoders import SpeechEncoder
from al_core.features import Clip, pack_by_length
from al_core.peft.frames import Frames
from al_core.peft.network import Network
from al_core.precision import autocast, compute_dtype
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import Floats, from_unit

SECONDS_PER_MINIBATCH = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class FirstStage:
    """The classifier that a second stage begins from (arXiv:2402.11747), and the digest of the labels that made it."""

    classifier: "TunedClassifier"
    labels_digest: str


@dataclass(frozen=True, slots=True, eq=False)
class TunedClassifier:
    """Frames → trained blocks → head → softmax over classes, dimensions on their scales.

    Attributes:
        encoder: the frozen encoder the network started from; its weights are untouched.
        network: the trained blocks and head.
        frames: input of the network.
        first: the frozen first stage that the network is stacked on, if any.
    """

    scheme: Scheme
    recipe: Recipe
    encoder: SpeechEncoder
    network: Network
    frames: Frames
    first: "FirstStage | None" = None

    @property
    def encoder_digest(self) -> str:
        """Of the encoder before fine-tuning."""
        return self.encoder.digest

    def predict(self, clips: Sequence[Clip]) -> Predictions:
        """Probabilities (n, c) and dimensions (n, m) of every clip, in minibatches packed by length."""
        for _ in self.frames.prepare(clips):
            pass
        probabilities = np.zeros((len(clips), len(self.scheme)), dtype=np.float32)
        dimensions = np.zeros((len(clips), len(self.scheme.dimensions)), dtype=np.float32)
        milliseconds = [round(1000 * clip.duration_s) for clip in clips]
        self.network.eval()
        for positions in pack_by_length(milliseconds, round(1000 * SECONDS_PER_MINIBATCH)):
            probabilities[positions], unit = self._minibatch([clips[i] for i in positions])
            dimensions[positions] = from_unit(unit, self.scheme)
        return Predictions(probabilities, dimensions)

    def _minibatch(self, clips: Sequence[Clip]) -> tuple[Floats, Floats]:
        """(b, c) probabilities, (b, m) dimensions on the unit scale."""
        device = next(self.encoder.parameters()).device
        with torch.no_grad(), autocast(compute_dtype(self.recipe.precision, device), device):
            outputs = self.network(*self.frames.read(clips))
        return outputs.logits.float().softmax(dim=-1).cpu().numpy(), outputs.dimensions.float().cpu().numpy()
