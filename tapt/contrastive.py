"""Contrastive learning: wav2vec 2.0's objective, on a checkpoint's own quantiser or a new one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from al_core.audio import SAMPLE_RATE
from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from tapt.alarms import Advice
from tapt.carried_quantiser import read_quantiser
from tapt.masking import mask_spans
from tapt.negatives import draw_negatives
from tapt.outcome import Outcome
from tapt.quantiser import GumbelQuantiser, Quantised, gumbel_noise
from tapt.rank import embedding_rank
from tapt.recipe import Contrastive, TaptRecipe
from tapt.share import Share, part_of_common
from tapt.student import Student
from tapt.unit_targets import clips_to_fit
from tapt.units import TaptUnitsError

_WIDTH = 256  # of quantised vectors and of the space of the comparison, as in wav2vec 2.0 base
_LEAST_FRAMES = 4  # of which two can be hidden, the frame and a distractor, and two stay


class FeatureScale(nn.Module):
    """(x − μ) / σ of each channel, as found over the run's own audio.

    Without it what all frames share decides a new quantiser's choice, and Whisper's frames share most: a codebook then
    begins with one or two entries in use.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit(self, frames: Tensor) -> None:
        """From (n, c) frames."""
        scale, mean = torch.std_mean(frames.double(), dim=0, correction=0)
        self.get_buffer("mean").copy_(mean)
        self.get_buffer("scale").copy_(scale.clamp(min=1e-6))

    def forward(self, frames: Tensor) -> Tensor:
        """(m, c) → (m, c)."""
        return (frames - self.get_buffer("mean")) / self.get_buffer("scale")


class ContrastiveHead(nn.Module):
    """The quantiser, and both projections into the space where hidden frames meet targets.

    A new one standardises the front end's features and layer-normalises the student's frames, for families differ in
    scale; a checkpoint's own is taken as it is.

    Args:
        recipe: sizes of a new one.
        encoder: whose checkpoint is looked into.

    Attributes:
        fresh: it is a new one.
    """

    def __init__(self, recipe: Contrastive, encoder: SpeechEncoder) -> None:
        super().__init__()
        carried = read_quantiser(encoder) if recipe.quantiser == "checkpoint" else None
        self.fresh = carried is None
        self.project_hidden: nn.Module
        self.project_quantised: nn.Module
        self.feature_norm: nn.Module
        if carried is None:
            vectors = -(-_WIDTH // recipe.groups) * recipe.groups
            self.feature_norm = FeatureScale(encoder.feature_size)
            self.quantiser = GumbelQuantiser(encoder.feature_size, recipe.groups, recipe.entries, vectors)
            self.project_quantised = nn.Linear(vectors, _WIDTH)
            self.project_hidden = nn.Sequential(
                nn.LayerNorm(encoder.hidden_size), nn.Linear(encoder.hidden_size, _WIDTH)
            )
        else:
            self.feature_norm = nn.Identity()
            self.quantiser = carried.quantiser
            self.project_quantised = carried.project_quantised
            self.project_hidden = carried.project_hidden

    def forward(
        self, hidden: Tensor, features: Tensor, temperature: float, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Quantised]:
        """Student's (m, d) and front end's (m, c) of the hidden frames → (m, e) each, L2-normalised; the choice."""
        quantised: Quantised = self.quantiser(self.feature_norm(features), temperature, noise)
        context = F.normalize(self.project_hidden(hidden), dim=-1)
        targets = F.normalize(self.project_quantised(quantised.vectors), dim=-1)
        return context, targets, quantised


class ContrastiveLearning:
    """`Contrastive` at work on one encoder.

        L = −log( exp(cos(c_t, q_t) / κ) / Σ_{q in {q_t} ∪ negatives} exp(cos(c_t, q) / κ) )
            + w · (G V − Σ_g exp H(p̄_g)) / (G V)

    averaged over hidden frames t; c_t is the student's last hidden state, q_t the quantised feature of the front end
    that the student was not shown. A negative with the codes of q_t is left out. References: Baevski et al.,
    arXiv:2006.11477; Li et al., "AFTER", arXiv:2310.00283. For Whisper the features are those of its two convolutions:
    our reading.
    """

    advice = Advice(
        trivial="raise objective.mask_span, objective.mask_share or objective.negatives",
        targets="the codebook has collapsed: raise objective.diversity_weight, objective.gumbel_start or "
        "objective.quantiser_warmup_share, or lower head_learning_rate",
        predictions="lower learning_rate, lower objective.mask_share, or raise objective.diversity_weight",
        rank="lower learning_rate or steps, or raise objective.quantiser_warmup_share",
    )

    def __init__(
        self, recipe: TaptRecipe, objective: Contrastive, encoder: SpeechEncoder, clips: Sequence[Clip]
    ) -> None:
        self._objective = objective
        self._steps, self._seed = recipe.steps, recipe.seed
        self._clips = clips
        self._head = ContrastiveHead(objective, encoder).to(next(encoder.parameters()).device)
        self._prepared = False

    def parameters(self) -> list[nn.Parameter]:
        """Of the quantiser and the projections."""
        return list(self._head.parameters())

    def due(self, step: int) -> bool:
        """Before the first step only."""
        return not self._prepared

    def prepare(self, student: Student, step: int) -> Iterator[tuple[int, int]]:
        """Look at the clips' lengths and, for a new quantiser, at the features of up to `FIT_FRAMES` random frames.

        Yields:
            Clips passed through the convolutions so far, and how many there will be.

        Raises:
            TaptUnitsError: a clip is too short to hide a frame and its distractor.
        """
        encoder = student.encoder
        samples = [round(clip.duration_s * SAMPLE_RATE) for clip in self._clips]
        for clip, frames in zip(self._clips, encoder.frame_counts(samples), strict=True):
            if frames < _LEAST_FRAMES:
                raise TaptUnitsError(f"clip {clip.key} has {frames} frames, {_LEAST_FRAMES} are needed: leave it out")
        scale = self._head.feature_norm
        if isinstance(scale, FeatureScale):
            chosen = clips_to_fit(encoder, self._clips, self._seed, 1)
            held: list[Tensor] = []
            for position in chosen:
                with torch.no_grad():
                    held += encoder.local_features(encoder.prepare([self._clips[position].load()]))
                yield len(held), len(chosen)
            scale.fit(torch.cat(held))
        self._prepared = True

    def moves_encoder(self, step: int) -> bool:
        """Not while a new quantiser's choices are still noise."""
        return not self._head.fresh or step > round(self._objective.quantiser_warmup_share * self._steps)

    def gumbel_temperature(self, step: int) -> float:
        """τ of a step counted from 1: falls from start to end by the same factor a step."""
        chosen = self._objective
        factor = chosen.gumbel_factor
        if factor is None:
            factor = (chosen.gumbel_end / chosen.gumbel_start) ** (1 / max(self._steps - 1, 1))
        return max(chosen.gumbel_start * factor ** (step - 1), chosen.gumbel_end)

    def loss(self, student: Student, share: Share, step: int) -> Outcome:
        """The contrastive and the diversity loss of a minibatch, averaged over its hidden frames.

        Args:
            student: the encoder that learns.
            share: of the minibatch; its randomness draws masks, negatives and the quantiser's noise.
            step: from 1; decides the quantiser's temperature.
        """
        batch = student.encoder.prepare([self._clips[i].load() for i in share.positions])
        masked = mask_spans(batch.lengths, self._objective.mask_share, self._objective.mask_span, share.rngs)  # (b, f)
        hidden, features = student.top_and_features(batch, masked)
        hide = torch.from_numpy(masked).to(student.device)
        seen = torch.cat([row[hide[i, : len(row)]] for i, row in enumerate(features)])  # (m, c)
        counts = masked.sum(1).tolist()
        negatives = draw_negatives(counts, self._objective.negatives, share.rngs)
        noise = self._noise(counts, share.rngs)
        context, targets, quantised = self._head(hidden[hide], seen, self.gumbel_temperature(step), noise)
        logits, candidates = contrastive_logits(context, targets, quantised.codes, negatives)
        logits = logits / self._objective.temperature
        wanted = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        most = self._head.quantiser.groups * self._head.quantiser.entries
        weight = share.weight(len(logits))
        whole = replace(quantised, mean=share.mean(quantised.mean, weight))
        diversity = part_of_common((most - whole.perplexity) / most, weight)
        chosen = logits.detach().argmax(-1)  # (m,)
        told = candidates.gather(1, chosen[:, None])[:, 0]
        return Outcome(
            loss=weight * F.cross_entropy(logits, wanted) + self._objective.diversity_weight * diversity,
            accuracy=float((chosen == 0).float().mean()),
            predicted=self._count(quantised.codes[told]),
            wanted=self._count(quantised.codes),
            rank=embedding_rank(hidden[hide]),
        ).part(weight)

    def _noise(self, counts: Sequence[int], rngs: Sequence[np.random.Generator]) -> Tensor | None:
        """(m, G, V) of the hidden frames of all clips; none in evaluation mode."""
        if not self._head.training:
            return None
        groups, entries = self._head.quantiser.groups, self._head.quantiser.entries
        drawn = [gumbel_noise(m, groups, entries, rng) for m, rng in zip(counts, rngs, strict=True)]
        return torch.cat(drawn).to(self._head.quantiser.codevectors.device)

    def _count(self, codes: Tensor) -> NDArray[np.float64]:
        """(m, G) codes → (G, V) counts."""
        entries = self._head.quantiser.entries
        return np.stack([np.bincount(column, minlength=entries) for column in codes.cpu().numpy().T]).astype(np.float64)

    def after_step(self, step: int) -> None:
        """Nothing moves by itself."""

    def adapted(self, student: Student) -> SpeechEncoder:
        """What the run leaves behind."""
        return student.adapted()

    def state(self) -> dict[str, Tensor]:
        """The head's weights."""
        return dict(self._head.state_dict())

    def restore(self, state: Mapping[str, Tensor], student: Student) -> None:
        """Put back what `state` gave."""
        self._head.load_state_dict(dict(state))
        self._prepared = True


def contrastive_logits(
    context: Tensor, targets: Tensor, codes: Tensor, negatives: Sequence[NDArray[np.int64]]
) -> tuple[Tensor, Tensor]:
    """Cosines of hidden frames with their target first, then with their negatives, −inf where it has the same codes.

    Args:
        context, targets: (m, e), L2-normalised, clips one after another.
        codes: (m, G) of the targets.
        negatives: (m_i, n) a clip, numbers of its own hidden frames.

    Returns:
        (m, 1 + n) cosines, and (m, 1 + n) int64: which of the m targets each is with.
    """
    cosines, candidates = [], []
    first = 0
    for drawn in negatives:
        own = torch.arange(len(drawn), device=context.device)
        among = torch.cat([own[:, None], torch.from_numpy(drawn).to(context.device)], dim=1)  # (m_i, 1 + n)
        part = slice(first, first + len(drawn))
        # All pairs of a clip at once are fewer than the drawn ones as vectors.
        pairs = (context[part] @ targets[part].T).gather(1, among)
        same = (codes[part][among] == codes[part][:, None]).all(-1)
        same[:, 0] = False
        cosines.append(pairs.masked_fill(same, float("-inf")))
        candidates.append(among + first)
        first += len(drawn)
    return torch.cat(cosines), torch.cat(candidates)
