"""Fitting a probe: embed, solve, done."""

import time
from collections.abc import Iterator

import numpy as np
import torch

from al_core.classifier import Predictions
from al_core.features import embed
from al_core.heads import Outputs
from al_core.losses import training_loss
from al_core.peft.probe import ProbeClassifier, feature_spec
from al_core.peft.specs import Probe
from al_core.targets import to_unit
from al_core.training.early_stopping import DevFigures, dev_figures
from al_core.training.report import StepReport
from al_core.training.run import Run


def fit_probe(method: Probe, run: Run) -> Iterator[StepReport]:
    """Fit a probe; see `al_core.train.fine_tune`."""
    began = time.perf_counter()
    recipe, dev = run.recipe, run.dev
    normalises = recipe.normalise_speakers or recipe.normalise_sentences
    clips = [*run.train.clips, *(dev.clips if dev else ()), *(run.all_clips if normalises else ())]
    for done in embed(run.encoder, run.store, [feature_spec(recipe, run.encoder)], clips):
        yield StepReport("embed", 0, done.done, done.total, None, None, time.perf_counter() - began, 0)
    classifier = ProbeClassifier.fit(recipe, run.scheme, run.encoder, run.store, run.train, run.all_clips, method)
    figures = dev_figures(classifier.predict(dev.clips), dev) if dev else DevFigures()
    yield StepReport(
        stage="done",
        epoch=1,
        step=1,
        steps=1,
        loss=_loss(run, classifier.predict(run.train.clips)),
        dev_uar=figures.uar,
        dev_ccc=figures.ccc,
        seconds=time.perf_counter() - began,
        n_trainable=classifier.n_trainable,
        classifier=classifier,
    )


def _loss(run: Run, predictions: Predictions) -> float:
    """The recipe's loss over all training clips."""
    unit = None if run.train.dimensions is None else torch.from_numpy(to_unit(run.train.dimensions, run.scheme))
    outputs = Outputs(
        torch.from_numpy(np.log(np.maximum(predictions.probabilities, 1e-12))),
        torch.from_numpy(to_unit(predictions.dimensions, run.scheme)),
    )
    targets, weights = torch.from_numpy(run.train.mass), torch.from_numpy(run.class_weights())
    return float(training_loss(run.recipe, outputs, targets, unit, weights))
