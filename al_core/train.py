"""Fine-tuning: a generator of step reports whose last one carries the classifier."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self, assert_never

import numpy as np
import torch
from numpy.random import Generator, SeedSequence, default_rng
from torch import Tensor

from al_core.classifier import Classifier
from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureStore, embed, pack_by_length
from al_core.heads import pool
from al_core.logistic import fit_logistic
from al_core.losses import soft_cross_entropy
from al_core.metrics import confusion, recalls
from al_core.peft import methods
from al_core.peft.methods import FineTuned
from al_core.peft.network import UpperBlocks
from al_core.peft.probe import ProbeClassifier, feature_spec
from al_core.peft.specs import LastK, Lora, Probe
from al_core.peft.tuned import SECONDS_PER_MINIBATCH, TunedClassifier
from al_core.precision import autocast, compute_dtype
from al_core.recipe import Recipe, resolve_learning_rate
from al_core.scheme import Scheme
from al_core.targets import Floats, LabelledClips, class_weights

GRADIENT_NORM = 1.0
WARM_UP = 0.1
# Minibatches are cut from this many at a time sorted by length: little padding, still a fresh mixture every epoch.
BUCKET_MINIBATCHES = 8
# A head that fits its few clips perfectly leaves the blocks nothing to learn: start it with a strong penalty.
HEAD_C = 0.01


class TrainError(ValueError):
    """Training that cannot begin or go on; the sentence says why and what to do."""


class DivergedError(TrainError):
    """The loss stopped being a number. `classifier` holds the last good weights."""

    def __init__(self, sentence: str, classifier: FineTuned) -> None:
        super().__init__(sentence)
        self.classifier = classifier


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress of a fine-tuning run.

    Attributes:
        stage: "embed" while features are computed, "train" after an optimiser step, "done" once, last.
        epoch: from 1; 0 before training. In the last report the epoch whose weights were kept.
        step, steps: done and expected in this stage; early stopping may end before `steps`.
        loss: class-weighted cross-entropy of the minibatch (of the training clips, for the probe); None in "embed".
        dev_uar: mean recall over dev's classes, after each epoch and in the last report (the kept one); else None.
        seconds: since the run began.
        n_trainable: weights that are trained.
        classifier: in the last report only.
    """

    stage: Literal["embed", "train", "done"]
    epoch: int
    step: int
    steps: int
    loss: float | None
    dev_uar: float | None
    seconds: float
    n_trainable: int
    classifier: FineTuned | None = None


def fine_tune(
    recipe: Recipe,
    scheme: Scheme,
    encoder: SpeechEncoder,
    store: FeatureStore,
    train: LabelledClips,
    dev: LabelledClips | None,
    all_clips: Sequence[Clip] = (),
) -> Iterator[StepReport]:
    """Fine-tune a copy of `encoder` on labels or label distributions; the encoder itself is not changed.

    With `dev`, training stops when dev UAR has not risen for `recipe.patience` epochs and the best epoch's weights
    are kept, the start included; without it, it runs `recipe.epochs` epochs. The same arguments give the same
    classifier. The device is the encoder's. The probe has nothing to stop early; it only reports its dev UAR.

    Args:
        recipe: everything else that decides the run.
        scheme: classes, in the order of the targets' columns.
        encoder: where the run starts from.
        store: cached features; what is missing is computed first.
        train: labelled clips, at least two classes among them.
        dev: labelled clips of speakers that neither train nor test holds; None or empty to go without.
        all_clips: further clips, unlabelled, whose embeddings count towards their speakers' statistics.

    Yields:
        Progress; the last report has stage "done" and the classifier.

    Raises:
        TrainError: no clip, a single class, targets that do not fit the scheme, a clip in both train and dev.
        DivergedError: the loss is not a number.
        RecipeError: the recipe does not fit this encoder or this machine.
    """
    dev = None if dev is None or len(dev) == 0 else dev
    _check(scheme, train, dev)
    match recipe.method:
        case Probe(c=c):
            yield from _fit_probe(recipe, scheme, encoder, store, train, dev, all_clips, c)
        case LastK() | Lora() as method:
            yield from _tune(method, recipe, scheme, encoder, store, train, dev)
        case _:
            assert_never(recipe.method)


def dev_recall(classifier: Classifier, dev: LabelledClips) -> float:
    """Mean recall over the classes dev holds: UAR when it holds them all. What early stopping watches."""
    truth = dev.targets.argmax(axis=1)
    predicted = classifier.predict(dev.clips).argmax(axis=1)
    return float(np.nanmean(recalls(confusion(truth, predicted, dev.targets.shape[1]))))


def minibatches(durations_s: Sequence[float], size: int, rng: Generator) -> list[list[int]]:
    """One epoch: every position once, in minibatches of `size` clips of similar length; the last may be smaller."""
    order = rng.permutation(len(durations_s))
    width = size * BUCKET_MINIBATCHES
    sorted_runs = [sorted(order[at : at + width], key=lambda i: durations_s[i]) for at in range(0, len(order), width)]
    cut = [[int(i) for i in run[at : at + size]] for run in sorted_runs for at in range(0, len(run), size)]
    return [cut[i] for i in rng.permutation(len(cut))]


def n_minibatches(n: int, size: int) -> int:
    """Minibatches an epoch of n clips has, the partial one counted."""
    return -(-n // size)


def rate_share(step: int, steps: int) -> float:
    """Share of the learning rate in step 0 … steps − 1: up in a straight line over a tenth of them, then down to 0."""
    warm_up = max(1.0, WARM_UP * steps)
    return min((step + 1) / warm_up, (steps - step) / max(1.0, steps - warm_up + 1))


def _check(scheme: Scheme, train: LabelledClips, dev: LabelledClips | None) -> None:
    if len(train) == 0:
        raise TrainError("there is no labelled clip to train on: label some first")
    for name, part in (("train", train), ("dev", dev)):
        if part is not None and part.targets.shape[1] != len(scheme):
            raise TrainError(f"{name} has {part.targets.shape[1]} columns of targets, the scheme {len(scheme)} classes")
    seen = [scheme.classes[i] for i in np.flatnonzero(train.targets.sum(axis=0) > 0)]
    if len(seen) < 2:
        raise TrainError(f"every training label is {seen[0]!r}: label clips of at least two classes")
    if dev is not None:
        shared = {clip.key for clip in train.clips} & {clip.key for clip in dev.clips}
        if shared:
            raise TrainError(f"clip {min(shared)} is in train and in dev: keep the splits disjoint")


def _fit_probe(
    recipe: Recipe,
    scheme: Scheme,
    encoder: SpeechEncoder,
    store: FeatureStore,
    train: LabelledClips,
    dev: LabelledClips | None,
    all_clips: Sequence[Clip],
    c: float,
) -> Iterator[StepReport]:
    began = time.perf_counter()
    clips = [*train.clips, *(dev.clips if dev else ()), *(all_clips if recipe.normalise_speakers else ())]
    for done in embed(encoder, store, [feature_spec(recipe, encoder.n_layers)], clips):
        yield StepReport("embed", 0, done.done, done.total, None, None, time.perf_counter() - began, 0)
    classifier = ProbeClassifier.fit(recipe, scheme, encoder, store, train, all_clips, c)
    log_probabilities = np.log(np.maximum(classifier.predict(train.clips), 1e-12))
    losses = -log_probabilities * train.targets * _loss_weights(recipe, train)
    yield StepReport(
        stage="done",
        epoch=1,
        step=1,
        steps=1,
        loss=float(losses.sum() / len(train)),
        dev_uar=dev_recall(classifier, dev) if dev else None,
        seconds=time.perf_counter() - began,
        n_trainable=classifier.logistic.weights.size + classifier.logistic.bias.size,
        classifier=classifier,
    )


def _tune(
    method: methods.Trained,
    recipe: Recipe,
    scheme: Scheme,
    encoder: SpeechEncoder,
    store: FeatureStore,
    train: LabelledClips,
    dev: LabelledClips | None,
) -> Iterator[StepReport]:
    began = time.perf_counter()
    # Asked first, so that a recipe this machine cannot run is refused before any audio is embedded.
    dtype = compute_dtype(recipe.precision, next(encoder.parameters()).device)
    with _seeded(recipe.seed, 0):
        network = methods.build(method, recipe, encoder, len(scheme))
    frames = methods.frames(method, encoder, store)
    classifier = TunedClassifier(scheme, recipe, method, encoder, network, frames)
    n_trainable = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)

    for done in frames.prepare([*train.clips, *(dev.clips if dev else ())]):
        yield StepReport("embed", 0, done.done, done.total, None, None, time.perf_counter() - began, n_trainable)
    for n_done in _start_head(classifier, train):
        yield StepReport("embed", 0, n_done, len(train), None, None, time.perf_counter() - began, n_trainable)

    descent = _Descent.begin(classifier, train, dtype)
    per_epoch = n_minibatches(len(train), recipe.minibatch)
    steps = recipe.epochs * per_epoch
    best = dev_recall(classifier, dev) if dev else None
    kept, kept_epoch, step, loss = _snapshot(network), 0, 0, float("nan")
    for epoch in range(1, recipe.epochs + 1):
        for loss in descent.epoch(step):
            step += 1
            if not np.isfinite(loss):
                raise _diverged(classifier, kept, epoch, step)
            if step < epoch * per_epoch:
                yield StepReport("train", epoch, step, steps, loss, None, time.perf_counter() - began, n_trainable)

        if not np.isfinite(classifier.predict(train.clips[:1])).all():
            raise _diverged(classifier, kept, epoch, step)
        dev_uar = dev_recall(classifier, dev) if dev else None
        if dev_uar is None or best is None or dev_uar > best:
            kept, kept_epoch, best = _snapshot(network), epoch, dev_uar
        yield StepReport("train", epoch, step, steps, loss, dev_uar, time.perf_counter() - began, n_trainable)
        if dev and epoch - kept_epoch >= recipe.patience:
            break

    _restore(network, kept)
    network.eval()
    yield StepReport(
        "done", kept_epoch, step, step, loss, best, time.perf_counter() - began, n_trainable, classifier=classifier
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Descent:
    """What every epoch of a run shares."""

    classifier: TunedClassifier
    train: LabelledClips
    targets: Tensor  # (n, c)
    weights: Tensor  # (c,)
    trainable: list[torch.nn.Parameter]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    dtype: torch.dtype
    order_rng: Generator

    @classmethod
    def begin(cls, classifier: TunedClassifier, train: LabelledClips, dtype: torch.dtype) -> Self:
        recipe = classifier.recipe
        device = next(classifier.encoder.parameters()).device
        trainable = [weight for weight in classifier.network.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(trainable, lr=resolve_learning_rate(recipe), weight_decay=recipe.weight_decay)
        steps = recipe.epochs * n_minibatches(len(train), recipe.minibatch)
        return cls(
            classifier=classifier,
            train=train,
            targets=torch.from_numpy(train.targets).to(device),
            weights=torch.from_numpy(_loss_weights(recipe, train)).to(device),
            trainable=trainable,
            optimiser=optimiser,
            schedule=torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step, steps)),
            scaler=torch.amp.GradScaler(device.type, enabled=dtype == torch.float16),
            dtype=dtype,
            order_rng=default_rng(recipe.seed),
        )

    def epoch(self, step: int) -> Iterator[float]:
        """One pass over the clips, yielding the loss of every step; `step` were done before."""
        recipe, network = self.classifier.recipe, self.classifier.network
        durations_s = [clip.duration_s for clip in self.train.clips]
        for positions in minibatches(durations_s, recipe.minibatch, self.order_rng):
            step += 1
            hidden, frame_mask = self.classifier.frames.read([self.train.clips[i] for i in positions])
            network.train()
            with _seeded(recipe.seed, step), autocast(self.dtype, hidden.device):
                logits = network(hidden, frame_mask)  # (b, c)
            loss = soft_cross_entropy(logits, self.targets[positions], self.weights)
            if bool(loss.isfinite()):
                self._descend(loss)
            yield float(loss.detach())

    def _descend(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        scaled: Any = self.scaler.scale(loss)  # torch's own backward is untyped
        scaled.backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.trainable, GRADIENT_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()


def _loss_weights(recipe: Recipe, train: LabelledClips) -> Floats:
    """(c,) float32."""
    return class_weights(train.targets) if recipe.class_weighted else np.ones(train.targets.shape[1], dtype=np.float32)


def _start_head(classifier: TunedClassifier, train: LabelledClips) -> Iterator[int]:
    """Fit the head to the frozen encoder by logistic regression, so that training starts from the probe."""
    network = classifier.network.eval()
    pooled = np.zeros((len(train), network.head.mean.numel()), dtype=np.float32)  # (n, d)
    milliseconds = [round(1000 * clip.duration_s) for clip in train.clips]
    n_done = 0
    for positions in pack_by_length(milliseconds, round(1000 * SECONDS_PER_MINIBATCH)):
        hidden, frame_mask = classifier.frames.read([train.clips[i] for i in positions])
        with torch.no_grad():
            states = network.states(hidden, frame_mask)
            pooled[positions] = pool(states, frame_mask, network.head.pooling).cpu().numpy()
        n_done += len(positions)
        yield n_done
    network.head.start_from(fit_logistic(pooled, train.targets, HEAD_C, classifier.recipe.class_weighted))


def _snapshot(network: UpperBlocks) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters() if weight.requires_grad}


def _restore(network: UpperBlocks, kept: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name in kept:
                weight.copy_(kept[name])


def _diverged(classifier: TunedClassifier, kept: dict[str, Tensor], epoch: int, step: int) -> DivergedError:
    _restore(classifier.network, kept)
    classifier.network.eval()
    rate = resolve_learning_rate(classifier.recipe)
    return DivergedError(
        f"the loss is not a number in epoch {epoch}, step {step}: lower recipe.learning_rate (now {rate})", classifier
    )


@contextmanager
def _seeded(seed: int, step: int) -> Iterator[None]:
    """torch's global generator for one step, given back afterwards: a generator function shares it with its caller."""
    with torch.random.fork_rng():
        torch.manual_seed(int(SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))
        yield
