"""Masked prediction of units: HuBERT's objective on the encoder's own hidden features."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.audio import SAMPLE_RATE
from al_core.encoders import Batch, SpeechEncoder
from al_core.features import Clip, pack_by_length
from tapt.alarms import Counts, check_targets
from tapt.masking import mask_spans
from tapt.outcome import Outcome
from tapt.randomness import Stream, generator
from tapt.recipe import MaskedUnits, TaptRecipeError
from tapt.student import Student
from tapt.units import FIT_FRAMES, Floats, TaptUnitsError, UnitIndices, fit_units

_WIDTH = 256  # of the space where frames meet unit embeddings, as in HuBERT base


class UnitHead(nn.Module):
    """Cosine logits of frames to K unit embeddings, cos(W h, e_k) / τ (Hsu et al., arXiv:2106.07447, eq. 3).

    A layer norm comes before the projection: families differ in the scale of their last hidden state.
    """

    def __init__(self, hidden_size: int, units: int, temperature: float) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, _WIDTH))
        self.embeddings = nn.Parameter(torch.randn(units, _WIDTH))
        self.temperature = temperature

    def forward(self, hidden: Tensor) -> Tensor:
        """(m, d) frames → (m, K) logits."""
        projected = F.normalize(self.projection(hidden), dim=-1)  # (m, e)
        return projected @ F.normalize(self.embeddings, dim=-1).T / self.temperature  # (m, K)


class MaskedUnitPrediction:
    """`MaskedUnits` at work on one encoder: K units of its hidden frames, predicted where frames are hidden.

    The loss is the cross-entropy at hidden frames only (HuBERT's α = 1). Units come once, from the starting encoder:
    a second clustering of the adapted one is another run.

    Attributes:
        n_units: K.

    Raises:
        TaptRecipeError: the recipe's layer does not exist in this encoder.
    """

    n_units: int

    def __init__(self, recipe: MaskedUnits, encoder: SpeechEncoder, seconds_per_step: float, seed: int) -> None:
        if recipe.layer > encoder.n_layers:
            raise TaptRecipeError(
                f"objective.layer is {recipe.layer}, but {encoder.source} has {encoder.n_layers} blocks: lower it"
            )
        self.n_units = recipe.units
        self._recipe = recipe
        self._layer = math.ceil(encoder.n_layers / 2) if recipe.layer == -1 else recipe.layer
        self._seconds = seconds_per_step
        self._seed = seed
        self._head = UnitHead(encoder.hidden_size, recipe.units, recipe.temperature)
        self._head.to(next(encoder.parameters()).device)
        self._targets: list[UnitIndices] = []

    def parameters(self) -> list[nn.Parameter]:
        """New parameters that learn beside the encoder's."""
        return list(self._head.parameters())

    def prepare(self, encoder: SpeechEncoder, clips: Sequence[Clip]) -> Iterator[tuple[int, int]]:
        """Fit the units on up to `FIT_FRAMES` frames of random clips, then find the unit of every frame.

        Args:
            encoder: the starting encoder, in eval mode.
            clips: all clips of the run; targets are kept by their positions.

        Yields:
            Clips passed through the encoder so far, and how many there will be.

        Raises:
            TaptUnitsError: fewer frames than units, a clip too short to mask, or frames that are not finite.
            TaptCollapseError: nearly every frame has the same unit.
        """
        chosen = self._clips_to_fit(encoder, clips)
        total = len(chosen) + len(clips)
        held: list[Floats] = []
        for _, frames in self._frames(encoder, [clips[i] for i in chosen]):
            held.append(frames)
            yield len(held), total
        units = fit_units(held, self.n_units, self._seed)
        del held
        targets: dict[int, UnitIndices] = {}
        for position, frames in self._frames(encoder, clips):
            if len(frames) < 2:
                raise TaptUnitsError(f"clip {clips[position].key} has a single frame: leave it out")
            targets[position] = units.assign(frames)
            yield len(chosen) + len(targets), total
        self._targets = [targets[position] for position in range(len(clips))]
        check_targets(self._count(np.concatenate(self._targets)))

    def _clips_to_fit(self, encoder: SpeechEncoder, clips: Sequence[Clip]) -> list[int]:
        """Positions of random clips that hold about `FIT_FRAMES` frames together, or of all of them."""
        frames = np.asarray(encoder.frame_counts([round(clip.duration_s * SAMPLE_RATE) for clip in clips]))
        order = generator(self._seed, Stream.UNITS, 0).permutation(len(clips))
        before = np.cumsum(frames[order]) - frames[order]
        return sorted(order[before < FIT_FRAMES].tolist())

    def _frames(self, encoder: SpeechEncoder, clips: Sequence[Clip]) -> Iterator[tuple[int, Floats]]:
        """The (f, d) hidden frames of every clip with its position, packed by length."""
        milliseconds = [round(clip.duration_s * 1000) for clip in clips]
        for positions in pack_by_length(milliseconds, round(self._seconds * 1000)):
            batch = encoder.prepare([clips[i].load() for i in positions])
            with torch.no_grad():
                hidden, frame_mask = encoder.front_end(batch)
                if self._layer:
                    hidden = encoder.run(hidden, frame_mask, 0, self._layer)[-1]  # (b, f, d)
            for row, position in enumerate(positions):
                yield position, hidden[row, frame_mask[row]].float().cpu().numpy()

    def loss(self, student: Student, batch: Batch, positions: Sequence[int], rng: np.random.Generator) -> Outcome:
        """Cross-entropy at hidden frames, −log softmax(logits)[unit], averaged over them.

        Args:
            student: the encoder that learns.
            batch: the minibatch's clips, padded.
            positions: which clips they are, as given to `prepare`.
            rng: of the masks.
        """
        targets = [self._targets[i] for i in positions]
        masked = mask_spans([len(t) for t in targets], self._recipe.mask_share, self._recipe.mask_span, rng)  # (b, f)
        wanted = np.concatenate([t[row[: len(t)]] for t, row in zip(targets, masked, strict=True)])  # (m,)
        hidden = student.hidden(batch, masked)  # (b, f, d)
        logits = self._head(hidden[torch.from_numpy(masked).to(hidden.device)])  # (m, K)
        loss = F.cross_entropy(logits, torch.from_numpy(wanted.astype(np.int64)).to(hidden.device))
        predicted = logits.detach().argmax(-1).cpu().numpy()  # (m,)
        return Outcome(loss, float((predicted == wanted).mean()), self._count(predicted), self._count(wanted))

    def _count(self, units: NDArray[np.integer[Any]]) -> Counts:
        return np.bincount(units, minlength=self.n_units).astype(np.float64)

    def state(self) -> dict[str, Tensor]:
        """The head's weights and every clip's targets, one after another."""
        head = {f"head.{name}": tensor for name, tensor in self._head.state_dict().items()}
        return head | {
            "targets": torch.from_numpy(np.concatenate(self._targets)),
            "lengths": torch.tensor([len(t) for t in self._targets]),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self._head.load_state_dict({k.removeprefix("head."): v for k, v in state.items() if k.startswith("head.")})
        self._targets = np.split(state["targets"].numpy(), np.cumsum(state["lengths"].numpy())[:-1])
