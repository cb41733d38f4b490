"""The adapter with local attributes: a masked student, its teacher, and clusters of the teacher's frames as targets."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.encoders import SpeechEncoder
from al_core.encoders.base import pad_frames
from al_core.encoders.local_attributes import AdapterSizes, LocalAttributeEncoder, WapTransformer
from al_core.features import Clip
from al_core.precision import autocast, compute_dtype
from tapt.alarms import Advice, check_targets
from tapt.cached_frames import CachedFrames
from tapt.masked_units import UnitHead
from tapt.masking import mask_spans
from tapt.outcome import Outcome
from tapt.rank import embedding_rank
from tapt.recipe import LocalAttributes, TaptRecipe, TaptRecipeError
from tapt.share import Share
from tapt.student import Student
from tapt.unit_targets import clips_to_fit
from tapt.units import Floats, Units, fit_units


class LocalAttributeLearning:
    """`LocalAttributes` at work over one frozen encoder (Song et al., arXiv:2509.23795).

        L = CE(head(s_t), k_t) averaged over hidden frames t  +  w · (1 − cos(mean_t s, mean_t z))

    s are the masked student's frames, z the teacher's, who sees everything, and k_t the cluster of z_t: the local
    attribute. The teacher is an exponential moving average of the student; clusters are found anew after so many
    passes over the audio, each from where it was. Trained from one cached hidden state: the encoder runs once a clip.

    Raises:
        TaptRecipeError: the recipe's layer does not exist in this encoder.
    """

    advice = Advice(
        trivial="raise objective.attributes, objective.mask_span or objective.mask_share",
        targets="the teacher's clusters have collapsed: lower objective.learning_rate, raise objective.ema_start, or "
        "change objective.layer",
        predictions="lower objective.learning_rate, lower objective.mask_share, or use fewer objective.attributes",
        rank="lower objective.learning_rate or objective.distillation_weight",
    )

    def __init__(
        self,
        recipe: TaptRecipe,
        objective: LocalAttributes,
        encoder: SpeechEncoder,
        clips: Sequence[Clip],
        folder: Path,
    ) -> None:
        if objective.layer > encoder.n_layers:
            raise TaptRecipeError(
                f"objective.layer is {objective.layer}, but {encoder.source} has {encoder.n_layers} blocks: lower it"
            )
        device = next(encoder.parameters()).device
        self._objective = objective
        self._steps, self._seed = recipe.steps, recipe.seed
        self._dtype = compute_dtype(recipe.precision, device)
        self._clips = clips
        self._encoder = encoder
        self._layer = math.ceil(encoder.n_layers / 2) if objective.layer == -1 else objective.layer
        self._frames = CachedFrames(encoder, self._layer, clips, folder)
        sizes = AdapterSizes(encoder.hidden_size, objective.width, objective.blocks, objective.heads, objective.dropout)
        self._adapter = WapTransformer(sizes).to(device).train()
        self._teacher = copy.deepcopy(self._adapter).eval().requires_grad_(False)
        self._head = UnitHead(encoder.hidden_size, objective.attributes, objective.temperature).to(device)
        self._units: Units | None = None
        self._clusterings = 0
        self._audio_s = sum(clip.duration_s for clip in clips)
        self._heard_s = 0.0  # since the last clustering

    def parameters(self) -> list[nn.Parameter]:
        """Of the student adapter and the head."""
        return [*self._adapter.parameters(), *self._head.parameters()]

    def due(self, step: int) -> bool:
        """Whether the clusters are to be found, for the first time or anew."""
        return self._units is None or self._heard_s >= self._objective.refresh_epochs * self._audio_s

    def prepare(self, student: Student, step: int) -> Iterator[tuple[int, int]]:
        """Cache the encoder's frames where they are not yet, then cluster the teacher's.

        Yields:
            Clips passed so far, and how many there will be.

        Raises:
            TaptUnitsError: fewer frames than clusters, or a clip too short to mask.
            TaptCollapseError: nearly every frame has the same cluster.
            FeatureError: a clip cannot be read, or the disk is full.
        """
        chosen = clips_to_fit(self._encoder, self._clips, self._seed, self._clusterings)
        total = len(self._clips) + len(chosen)
        for done, _ in self._frames.fill():
            yield done, total
        if self._units is None:
            self._standardise(chosen)
        held: list[Floats] = []
        for position in chosen:
            held.append(self._taught(position))
            yield len(self._clips) + len(held), total
        units = fit_units(held, self._objective.attributes, self._seed, start=self._units)
        assigned = np.concatenate([units.assign(frames) for frames in held])
        check_targets(np.bincount(assigned, minlength=self._objective.attributes).astype(np.float64), self.advice)
        self._units, self._heard_s = units, 0.0
        self._clusterings += 1

    def _standardise(self, chosen: Sequence[int]) -> None:
        """Give student and teacher the mean and the scale of each dimension of the cached frames."""
        frames = np.concatenate([self._frames.read(position) for position in chosen])  # (n, d)
        mean, scale = frames.mean(0, dtype=np.float64), np.maximum(frames.std(0, dtype=np.float64), 1e-6)
        for adapter in (self._adapter, self._teacher):
            adapter.get_buffer("mean").copy_(torch.from_numpy(mean))
            adapter.get_buffer("scale").copy_(torch.from_numpy(scale))

    def _taught(self, position: int) -> Floats:
        """(f, d) float32: the teacher's frames of one clip."""
        hidden, frame_mask = self._read([position])
        with torch.no_grad():
            frames: Floats = self._teacher(hidden, frame_mask)[0].float().cpu().numpy()
        return frames

    def _read(self, positions: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(b, f, d) and (b, f) bool, from the cache."""
        device = next(self._adapter.parameters()).device
        return pad_frames([torch.from_numpy(self._frames.read(i)).to(device) for i in positions])

    def moves_encoder(self, step: int) -> bool:
        """Never: the encoder is frozen."""
        return False

    def loss(self, student: Student, share: Share, step: int) -> Outcome:
        """Cross-entropy to the teacher's clusters at hidden frames, and self-distillation of the clips' means.

        Args:
            student: not looked at: what learns is the adapter.
            share: of the minibatch; its randomness draws the masks.
            step: from 1.
        """
        assert self._units is not None, "prepare comes first"
        hidden, frame_mask = self._read(share.positions)
        masked = mask_spans(
            frame_mask.sum(1).tolist(), self._objective.mask_share, self._objective.mask_span, share.rngs
        )
        hide = torch.from_numpy(masked).to(hidden.device)
        with autocast(self._dtype, hidden.device):
            learned = self._adapter(hidden, frame_mask, hide).float()  # (b, f, d)
            with torch.no_grad():
                taught = self._teacher(hidden, frame_mask).float()
        logits = self._head(learned[hide])  # (m, K)
        wanted = self._units.assign(taught[hide].cpu().numpy()).astype(np.int64)  # (m,)
        cross_entropy = F.cross_entropy(logits, torch.from_numpy(wanted).to(hidden.device))
        apart = 1 - F.cosine_similarity(_mean(learned, frame_mask), _mean(taught, frame_mask), dim=-1)  # (b,)
        self._heard_s += sum(self._clips[i].duration_s for i in share.minibatch)
        weight, of_clips = share.weight(len(wanted)), share.weight(len(share.positions))
        predicted = logits.detach().argmax(-1).cpu().numpy()
        return Outcome(
            loss=weight * cross_entropy + of_clips * self._objective.distillation_weight * apart.mean(),
            accuracy=float((predicted == wanted).mean()),
            predicted=np.bincount(predicted, minlength=logits.shape[1]).astype(np.float64)[None],
            wanted=np.bincount(wanted, minlength=logits.shape[1]).astype(np.float64)[None],
            rank=embedding_rank(learned[hide]),
        ).part(weight)

    def after_step(self, step: int) -> None:
        """The teacher follows: z ← m z + (1 − m) s, m rising from `ema_start` to `ema_end` over the run."""
        share = (step - 1) / max(self._steps - 1, 1)
        kept = self._objective.ema_start + share * (self._objective.ema_end - self._objective.ema_start)
        with torch.no_grad():
            for teacher, learner in zip(self._teacher.parameters(), self._adapter.parameters(), strict=True):
                teacher.lerp_(learner, 1 - kept)

    def adapted(self, student: Student) -> SpeechEncoder:
        """The encoder with the student adapter on its layer."""
        return LocalAttributeEncoder(self._encoder, self._layer, copy.deepcopy(self._adapter).eval())

    def state(self) -> dict[str, Tensor]:
        """Student, teacher, head, clusters."""
        assert self._units is not None, "prepare comes first"
        parts = {"adapter": self._adapter, "teacher": self._teacher, "head": self._head}
        units = {name: torch.from_numpy(getattr(self._units, name)) for name in ("mean", "scale", "centres")}
        return {
            "clusterings": torch.tensor(self._clusterings),
            "heard_s": torch.tensor(self._heard_s, dtype=torch.float64),
            **{f"units.{name}": tensor for name, tensor in units.items()},
            **{
                f"{part}.{name}": tensor
                for part, module in parts.items()
                for name, tensor in module.state_dict().items()
            },
        }

    def restore(self, state: Mapping[str, Tensor], student: Student) -> None:
        """Put back what `state` gave; the cached frames are in the folder of the run."""
        for part, module in (("adapter.", self._adapter), ("teacher.", self._teacher), ("head.", self._head)):
            module.load_state_dict({k.removeprefix(part): v for k, v in state.items() if k.startswith(part)})
        self._units = Units(*(state[f"units.{name}"].numpy() for name in ("mean", "scale", "centres")))
        self._clusterings = int(state["clusterings"])
        self._heard_s = float(state["heard_s"])


def _mean(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """(b, f, d) → (b, d) over a clip's own frames."""
    weights = frame_mask[..., None].to(frames)
    return (frames * weights).sum(1) / weights.sum(1)
