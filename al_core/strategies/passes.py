"""Dropout passes over a pool: what a classifier would say if it had learned without some of its columns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from scipy.special import softmax

from al_core.classifier import Classifier
from al_core.features import Clip, pack_by_length
from al_core.peft.probe import ProbeClassifier, embeddings
from al_core.peft.tuned import SECONDS_PER_MINIBATCH, TunedClassifier
from al_core.pool import Floats, PoolView
from al_core.precision import autocast, compute_dtype
from al_core.strategies.specs import Passes, Strategy, StrategyError, passes_of
from al_core.targets import to_unit


class Linear(NamedTuple):
    """The last layer of one output: (c, p) weights and (c,) bias."""

    weights: Floats
    bias: Floats


class Penultimate(NamedTuple):
    """What the last layers read of n clips, and the last layers; None for an output the scheme has not.

    Attributes:
        features: (n, p) float32, in which 0, a dropped column, says nothing: standardised, or what a ReLU left.
    """

    features: Floats
    classes: Linear | None
    dimensions: Linear | None


class Passed(NamedTuple):
    """(n, S, c) probabilities and (n, S, k) dimensions on the unit scale; c or k may be 0."""

    samples: Floats
    dimensions: Floats


def dropout_passes(classifier: Classifier, clips: Sequence[Clip], passes: Passes, rng: Generator) -> Passed:
    """S passes of a classifier with dropout on what its last layer reads, above everything that is cached or trained.

    A pass drops each column with probability `dropout` and scales the others by 1 / (1 − dropout), the same columns for
    all clips: a pass is one classifier drawn, which BatchBALD's joint probabilities need. The encoder runs once.

    Reference: Gal & Ghahramani, *Dropout as a Bayesian approximation*, ICML 2016.

    Raises:
        StrategyError: the classifier is of a kind of its own.
    """
    read = _penultimate(classifier, clips)
    p = read.features.shape[1]
    masks = ((rng.random((passes.passes, p)) >= passes.dropout) / (1 - passes.dropout)).astype(np.float32)  # (S, p)
    logits = _outputs(read.features, read.classes, masks)
    samples = softmax(logits, axis=2) if read.classes is not None else logits
    return Passed(samples.astype(np.float32), _outputs(read.features, read.dimensions, masks))


def _outputs(features: Floats, linear: Linear | None, masks: Floats) -> Floats:
    """(n, S, c) of a linear layer under each mask."""
    n_out = 0 if linear is None else len(linear.bias)
    out = np.empty((len(features), len(masks), n_out), np.float32)
    if linear is not None:
        for s, mask in enumerate(masks):
            out[:, s] = features @ (linear.weights * mask).T + linear.bias
    return out


def heard(
    pool: PoolView,
    strategy: Strategy,
    classifier: Classifier,
    clips: Sequence[Clip],
    dimensions: Floats,
    rng: Generator,
) -> PoolView:
    """The pool with what the strategy reads beyond probabilities: predicted dimensions and dropout passes, or neither.

    Args:
        pool: of a round, row i of which is `clips[i]`.
        strategy: of the round.
        classifier: whose probabilities the pool has.
        clips: of the pool.
        dimensions: (n, k) as `classifier` predicts them, on the scheme's scales.
        rng: draws the dropped columns.
    """
    scheme = classifier.scheme
    if strategy.needs_dimensions and scheme.dimensions:
        pool = replace(pool, dimensions=to_unit(dimensions, scheme))
    passes = passes_of(strategy)
    if passes is None or not len(clips):
        return pool
    passed = dropout_passes(classifier, clips, passes, rng)
    return replace(
        pool,
        samples=passed.samples if scheme.classes else None,
        dimension_samples=passed.dimensions if strategy.needs_dimensions else None,
    )


def _penultimate(classifier: Classifier, clips: Sequence[Clip]) -> Penultimate:
    match classifier:
        case ProbeClassifier():
            return _of_probe(classifier, clips)
        case TunedClassifier():
            return _of_network(classifier, clips)
        case _:
            raise StrategyError(f"{type(classifier).__name__} shows no last layer: choose a strategy without passes")


def _of_probe(classifier: ProbeClassifier, clips: Sequence[Clip]) -> Penultimate:
    """Standardised embeddings, as both regressions read them."""
    X = embeddings(classifier.recipe, classifier.encoder, classifier.store, clips)  # (n, d)
    X = classifier.normaliser.transform(X, clips)
    fitted = classifier.logistic if classifier.logistic is not None else classifier.ridge
    assert fitted is not None, "a scheme has classes or dimensions"
    return Penultimate(
        (X - fitted.mean) / fitted.scale,
        None if classifier.logistic is None else Linear(classifier.logistic.weights, classifier.logistic.bias),
        None if classifier.ridge is None else Linear(classifier.ridge.weights, classifier.ridge.bias),
    )


def _of_network(classifier: TunedClassifier, clips: Sequence[Clip]) -> Penultimate:
    """What the head's trunk makes of the frames."""
    head = classifier.network.head
    for _ in classifier.frames.prepare(clips):
        pass
    device = next(classifier.encoder.parameters()).device
    features = np.zeros((len(clips), head.trunk.width), np.float32)
    classifier.network.eval()
    milliseconds = [round(1000 * clip.duration_s) for clip in clips]
    for positions in pack_by_length(milliseconds, round(1000 * SECONDS_PER_MINIBATCH)):
        with torch.no_grad(), autocast(compute_dtype(classifier.recipe.precision, device), device):
            hidden, frame_mask = classifier.frames.read([clips[i] for i in positions])
            states = classifier.network.states(hidden, frame_mask)
            features[positions] = head.trunk(states, frame_mask).float().cpu().numpy()
    classes = None if head.classes is None else _linear(head.classes.linear)
    if classes is not None and head.classes is not None:
        classes.bias[~head.classes.seen.cpu().numpy()] = -np.inf
    return Penultimate(features, classes, None if head.dimensions is None else _linear(head.dimensions.linear))


def _linear(layer: torch.nn.Linear) -> Linear:
    return Linear(
        layer.weight.detach().float().cpu().numpy().copy(),
        layer.bias.detach().float().cpu().numpy().copy(),
    )
