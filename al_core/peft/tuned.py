"""The classifier of last-k and LoRA: a trained network and where its input comes from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from al_core.encoders import SpeechEncoder
from al_core.features import Clip, pack_by_length
from al_core.peft.frames import Frames
from al_core.peft.network import UpperBlocks
from al_core.peft.specs import LastK, Lora
from al_core.precision import autocast, compute_dtype
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import Floats

SECONDS_PER_MINIBATCH = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class TunedClassifier:
    """Frames → trained blocks → head → softmax.

    Attributes:
        method: the recipe's, narrowed to those that train a network.
        encoder: the frozen encoder the network started from; its weights are untouched.
        network: the trained blocks and head.
        frames: input of the network.
    """

    scheme: Scheme
    recipe: Recipe
    method: LastK | Lora
    encoder: SpeechEncoder
    network: UpperBlocks
    frames: Frames

    @property
    def encoder_digest(self) -> str:
        """Of the encoder before fine-tuning."""
        return self.encoder.digest

    def predict(self, clips: Sequence[Clip]) -> Floats:
        """(n, c) float32 probabilities, in minibatches packed by length."""
        for _ in self.frames.prepare(clips):
            pass
        probabilities = np.zeros((len(clips), len(self.scheme)), dtype=np.float32)
        milliseconds = [round(1000 * clip.duration_s) for clip in clips]
        self.network.eval()
        for positions in pack_by_length(milliseconds, round(1000 * SECONDS_PER_MINIBATCH)):
            probabilities[positions] = self._minibatch([clips[i] for i in positions])
        return probabilities

    def _minibatch(self, clips: Sequence[Clip]) -> Floats:
        hidden, frame_mask = self.frames.read(clips)
        dtype = compute_dtype(self.recipe.precision, hidden.device)
        with torch.no_grad(), autocast(dtype, hidden.device):
            logits = self.network(hidden, frame_mask)  # (b, c)
        rows: Floats = logits.float().softmax(dim=-1).cpu().numpy()
        return rows
