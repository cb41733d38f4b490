"""A corpus fine-tuned and tested, speaker-disjoint: what the fine-tuning benches share."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder
from al_core.evaluation.evaluate import Evaluation, Truth, evaluate
from al_core.features import FeatureStore
from al_core.folds import Fold, LabelledCorpus, load_labelled, manifest_fold, random_fold
from al_core.peft.methods import FineTuned
from al_core.recipe import Recipe
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips
from al_core.train import StepReport, fine_tune


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its last report and its classifier."""

    last: StepReport
    classifier: FineTuned


@dataclass(frozen=True, slots=True)
class Tested:
    """A finished run: its last report and the figures of its test speakers."""

    last: StepReport
    evaluation: Evaluation

    @property
    def uar(self) -> float:
        """Of the test speakers."""
        assert self.evaluation.classes is not None, "the corpora of the benches have classes"
        return self.evaluation.classes.uar


def fine_tuned(
    recipe: Recipe, manifest: Path, dimensions: tuple[Dimension, ...], encoder: SpeechEncoder, store: FeatureStore
) -> Evaluation:
    """Test figures on the manifest's own splits, without early stopping: of its classes, or of dimensions instead."""
    scheme = Scheme((), dimensions) if dimensions else None
    corpus = load_labelled(read_corpus(manifest), scheme=scheme)
    fold = manifest_fold(corpus)
    return tested(recipe, corpus, replace(fold, dev=()), encoder, store).evaluation


def fold_of(corpus: LabelledCorpus, n_test: int, n_dev: int, seed: int) -> Fold:
    """Random test and dev speakers; the same for every method of a seed."""
    return random_fold(corpus, n_test, n_dev, np.random.default_rng(seed))


def tested(recipe: Recipe, corpus: LabelledCorpus, fold: Fold, encoder: SpeechEncoder, store: FeatureStore) -> Tested:
    """Fine-tune on the fold's pool with all labels, stop by its dev clips, test on its test clips."""
    run, test = trained(recipe, corpus, fold, encoder, store), part(corpus, fold.test)
    speakers = [clip.speaker for clip in test.clips]
    return Tested(run.last, evaluate(run.classifier.predict(test.clips), Truth.of(test), speakers, corpus.scheme))


def trained(recipe: Recipe, corpus: LabelledCorpus, fold: Fold, encoder: SpeechEncoder, store: FeatureStore) -> Run:
    """Fine-tune on the fold's pool, stop by its dev clips."""
    train, dev = part(corpus, fold.pool), part(corpus, fold.dev)
    *_, last = fine_tune(recipe, corpus.scheme, encoder, store, train, dev, train.clips)
    assert last.classifier is not None, "the last report carries the classifier"
    return Run(last, last.classifier)


def part(corpus: LabelledCorpus, positions: tuple[int, ...]) -> LabelledClips:
    """Clips of a fold's part with their labels."""
    return corpus.labelled(positions)
