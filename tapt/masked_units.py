"""Masked prediction of units: HuBERT's objective on the encoder's own hidden features."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from tapt.alarms import Advice, check_targets
from tapt.masking import Mask, mask_spans
from tapt.outcome import Outcome
from tapt.rank import embedding_rank
from tapt.recipe import MaskedUnits, TaptRecipe, TaptRecipeError
from tapt.share import Share
from tapt.student import Student, check_reaches
from tapt.unit_targets import ClipUnits, UnitTargets

_WIDTH = 256  # of the space where frames meet unit embeddings, as in HuBERT base
_SNAPSHOT = "snapshot."


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


@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    """(heads, m, K) logits of m frames, and (heads, m) int64 the units that are there."""

    logits: Tensor
    wanted: NDArray[np.int64]

    def cross_entropy(self) -> Tensor:
        """Scalar: the mean over heads and frames."""
        truth = torch.from_numpy(self.wanted.ravel()).to(self.logits.device)
        return F.cross_entropy(self.logits.flatten(0, 1), truth)


class MaskedUnitPrediction:
    """`MaskedUnits` at work on one encoder: units of its hidden states, predicted where frames are hidden.

    The loss is the cross-entropy at hidden frames, −log softmax(logits)[unit], averaged over them and over every pair
    of a layer that is clustered and a hidden state that predicts; with a `visible_weight` the same at the other frames
    is added. Units of the first stage are the starting encoder's or of cepstra, of a later one the student's at its
    beginning; heads learn on, for clusters of hidden states keep their numbers.

    Raises:
        TaptRecipeError: a hidden state of the recipe does not exist in this encoder.
    """

    advice = Advice(
        trivial="raise objective.units, objective.mask_span or objective.mask_share",
        targets="change objective.layers or objective.units, or remove clips that are mostly silence",
        predictions="lower learning_rate, lower objective.mask_share, or use fewer objective.units",
        rank="lower learning_rate or steps",
    )

    def __init__(
        self, recipe: TaptRecipe, objective: MaskedUnits, encoder: SpeechEncoder, clips: Sequence[Clip]
    ) -> None:
        self._objective = objective
        self._steps = recipe.steps
        self._clips = clips
        middle = math.ceil(encoder.n_layers / 2)
        self._layers = _resolved("layers", objective.layers, middle, encoder)
        self._predicted_at = _resolved("predicted_at", objective.predicted_at, encoder.n_layers, encoder)
        self._heads = nn.ModuleList(
            UnitHead(encoder.hidden_size, objective.units, objective.temperature)
            for _ in range(len(self._predicted_at) * len(self._layers))
        )
        self._heads.to(next(encoder.parameters()).device)
        self._targets = UnitTargets(self._layers, objective.units, recipe.seed, objective.first_units == "mfcc")
        self._encoder = encoder
        self._stage = 0
        self._snapshot: dict[str, Tensor] = {}

    def parameters(self) -> list[nn.Parameter]:
        """New parameters that learn beside the encoder's."""
        return list(self._heads.parameters())

    def due(self, step: int) -> bool:
        """Whether a stage begins with this step."""
        return self._stage < self._stage_of(step)

    def _stage_of(self, step: int) -> int:
        """Stages are numbered from 1; the first steps of each are as many apart as whole numbers allow."""
        return 1 + (step - 1) * self._objective.stages // self._steps

    def prepare(self, student: Student, step: int) -> Iterator[tuple[int, int]]:
        """Find the units of the stage that begins with this step.

        Yields:
            Clips passed through the encoder so far, and how many there will be.

        Raises:
            TaptUnitsError: fewer frames than units, a clip too short to mask, or frames that are not finite.
            TaptStudentError: nothing that learns is below the hidden states that predict.
            TaptCollapseError: nearly every frame has the same unit.
        """
        check_reaches(student, max(self._predicted_at))
        stage = self._stage_of(step)
        if stage > 1:
            self._snapshot = {name: weight.clone() for name, weight in student.state().items()}
        encoder = self._encoder if stage == 1 else student.adapted()
        yield from self._targets.fit(encoder, self._clips, stage)
        check_targets(self._targets.fitted, self.advice)
        self._stage = stage

    def moves_encoder(self, step: int) -> bool:
        """Always."""
        return True

    def loss(self, student: Student, share: Share, step: int) -> Outcome:
        """Cross-entropy at hidden frames, averaged over them and the heads, and at the others by their weight.

        Args:
            student: the encoder that learns.
            share: of the minibatch; its randomness draws the masks.
            step: from 1.
        """
        waveforms = [self._clips[i].load() for i in share.positions]
        batch = student.encoder.prepare(waveforms)
        masked = mask_spans(batch.lengths, self._objective.mask_share, self._objective.mask_span, share.rngs)  # (b, f)
        units = [self._targets.of(i, waveform) for i, waveform in zip(share.positions, waveforms, strict=True)]
        states = student.states(batch, masked, self._predicted_at)
        hidden = self._predict(states, units, masked)
        weight = share.weight(hidden.wanted.shape[1])
        loss = weight * hidden.cross_entropy()
        if self._objective.visible_weight:
            visible = self._predict(states, units, _frames_of(batch.lengths, masked.shape) & ~masked)
            part = share.weight(visible.wanted.shape[1])
            loss = loss + self._objective.visible_weight * part * visible.cross_entropy()
        predicted = hidden.logits.detach().argmax(-1).cpu().numpy()  # (heads, m)
        return Outcome(
            loss=loss,
            accuracy=float((predicted == hidden.wanted).mean()),
            predicted=self._targets.count(predicted),
            wanted=self._targets.count(hidden.wanted),
            rank=embedding_rank(states[-1][torch.from_numpy(masked).to(student.device)]),
        ).part(weight)

    def _predict(self, states: Sequence[Tensor], units: Sequence[ClipUnits], chosen: Mask) -> "_Predicted":
        """Every head's logits of the chosen frames, (b, f) bool, and the units that are there."""
        wanted = np.concatenate([u[:, row[: u.shape[1]]] for u, row in zip(units, chosen, strict=True)], axis=1)
        here = torch.from_numpy(chosen).to(states[0].device)
        logits = [
            self._heads[place * len(self._layers) + i](state[here])  # (m, K)
            for place, state in enumerate(states)
            for i in range(len(self._layers))
        ]
        return _Predicted(torch.stack(logits), np.tile(wanted.astype(np.int64), (len(states), 1)))

    def after_step(self, step: int) -> None:
        """Nothing moves by itself."""

    def adapted(self, student: Student) -> SpeechEncoder:
        """What the run leaves behind."""
        return student.adapted()

    def state(self) -> dict[str, Tensor]:
        """Heads, clusters, and what the encoder that they were found on differs in from the starting one."""
        return {
            "stage": torch.tensor(self._stage),
            **{f"heads.{name}": tensor for name, tensor in self._heads.state_dict().items()},
            **{f"units.{name}": tensor for name, tensor in self._targets.state().items()},
            **{_SNAPSHOT + name: tensor for name, tensor in self._snapshot.items()},
        }

    def restore(self, state: Mapping[str, Tensor], student: Student) -> None:
        """Put back what `state` gave."""
        self._stage = int(state["stage"])
        self._heads.load_state_dict(_under("heads.", state))
        self._snapshot = _under(_SNAPSHOT, state)
        encoder = student.adapted(self._snapshot) if self._snapshot else self._encoder
        self._targets.restore(_under("units.", state), encoder, self._stage)


def _frames_of(lengths: Sequence[int], shape: tuple[int, ...]) -> Mask:
    """(b, f) bool: frames that are there and no padding."""
    return np.arange(shape[1]) < np.array(lengths)[:, None]


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _resolved(name: str, states: Sequence[int], minus_one: int, encoder: SpeechEncoder) -> list[int]:
    """Hidden states by number, −1 replaced, each once and in order."""
    for state in states:
        if state > encoder.n_layers:
            raise TaptRecipeError(
                f"objective.{name} holds {state}, but {encoder.source} has {encoder.n_layers} blocks: lower it"
            )
    return sorted({minus_one if state == -1 else state for state in states})
