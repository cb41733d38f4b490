"""One seed of a simulation: a fold, and the rounds of each strategy on it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from al_core import loop
from al_core.classifier import Predictions
from al_core.encoders import SpeechEncoder
from al_core.evaluation.evaluate import Evaluation, Truth, evaluate
from al_core.evaluation.metrics import uar
from al_core.features import Clip, FeatureStore, embed
from al_core.folds import Fold, LabelledCorpus
from al_core.peft.methods import FineTuned
from al_core.peft.probe import embeddings, feature_spec, normalised
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.strategies.passes import heard
from al_core.strategies.profiles import profiled
from al_core.strategies.specs import Strategy, name_of
from al_core.targets import Floats, LabelledClips, TargetError, check_dimensions, to_unit
from al_core.train import StepReport, fine_tune

Adapt = Callable[[SpeechEncoder, Sequence[Clip], Sequence[Clip], int], tuple[SpeechEncoder, float]]


@dataclass(frozen=True, slots=True)
class Point:
    """One strategy after one round of one seed; seconds of work that rounds share stand at round 0.

    Attributes:
        uar, wa, macro_f1: on the test clips; None for a scheme without classes.
        ccc: by dimension; empty for a scheme without dimensions.
        uar_with, uar_without: with the recipe's finish and without; `uar` is that of the one kept without looking at
            the test clips. None without a finish, and where there was nothing to compare.
    """

    strategy: str
    seed: int
    round: int
    n_labels: int
    fraction: float
    uar: float | None
    wa: float | None
    macro_f1: float | None
    ccc: dict[str, float]
    seconds_embed: float
    seconds_select: float
    seconds_train: float
    seconds_tapt: float
    uar_with: float | None = None
    uar_without: float | None = None

    @property
    def height(self) -> float:
        """Of the learning curve: UAR, or the mean CCC of a scheme without classes."""
        return float(np.mean(list(self.ccc.values()))) if self.uar is None else self.uar


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedRun:
    """One seed: a fold, its encoder, and what every round of every strategy shares.

    Attributes:
        embeddings: (n, d) of the pool, as the strategies see them.
        classes: (n,) int64 of the pool, positions in the scheme, −1 where unknown.
        groups: (n,) int64 of the pool by column: who speaks, and which sentence, where the corpus says so.
    """

    recipe: Recipe
    fractions: tuple[float, ...]
    seed: int
    scheme: Scheme
    pool: LabelledClips
    dev: LabelledClips
    test: LabelledClips
    encoder: SpeechEncoder
    store: FeatureStore
    embeddings: Floats
    classes: NDArray[np.int64]
    groups: dict[str, NDArray[np.int64]]
    seconds_embed: float
    seconds_tapt: float

    @classmethod
    def begin(
        cls,
        recipe: Recipe,
        fractions: tuple[float, ...],
        corpus: LabelledCorpus,
        fold: Fold,
        encoder: SpeechEncoder,
        store: FeatureStore,
        adapt: Adapt | None,
        seed: int,
    ) -> Self:
        """Adapt the encoder to the pool when asked, and embed every clip of the fold."""
        seconds_tapt = 0.0
        pool, dev, test = (corpus.labelled(part) for part in (fold.pool, fold.dev, fold.test))
        if adapt:
            encoder, seconds_tapt = adapt(encoder, pool.clips, (*dev.clips, *test.clips), seed)
        began = time.perf_counter()
        for _ in embed(encoder, store, [feature_spec(recipe, encoder)], (*pool.clips, *dev.clips, *test.clips)):
            pass
        seconds_embed = time.perf_counter() - began
        return cls(
            recipe=recipe,
            fractions=fractions,
            seed=seed,
            scheme=corpus.scheme,
            pool=pool,
            dev=dev,
            test=test,
            encoder=encoder,
            store=store,
            embeddings=_seen(recipe, encoder, store, pool.clips),
            classes=Truth.of(pool).classes,
            groups=_groups(corpus, fold),
            seconds_embed=seconds_embed,
            seconds_tapt=seconds_tapt,
        )

    def full(self) -> tuple[Evaluation, float]:
        """One fine-tuning on every label of the pool, with its seconds: TAPT and embedding are included."""
        everything = np.arange(len(self.pool))
        learnt = self._learn(everything, last=True)
        seconds = 0.0 if learnt is None else learnt.seconds
        evaluation = self._evaluate(learnt.classifier if learnt else None, everything)
        return evaluation, seconds + self.seconds_embed + self.seconds_tapt

    def rounds(self, strategy: Strategy) -> Iterator[Point]:
        """Query, label, fine-tune, evaluate, once a fraction.

        A recipe's finish ends the last round: queries are by classifiers that learnt from labels alone.
        """
        labelled = np.zeros(0, dtype=np.int64)
        classifier: FineTuned | None = None
        for number, fraction in enumerate(self.fractions):
            n = max(round(fraction * len(self.pool)), 1)
            began = time.perf_counter()
            labelled = np.append(labelled, self._query(strategy, classifier, labelled, n - len(labelled), number))
            seconds_select = time.perf_counter() - began
            learnt = self._learn(labelled, last=number + 1 == len(self.fractions))
            classifier = learnt.classifier if learnt else None
            evaluation = self._evaluate(classifier, labelled)
            figures = evaluation.classes
            yield Point(
                strategy=strategy_name(strategy),
                seed=self.seed,
                round=number,
                n_labels=len(labelled),
                fraction=fraction,
                uar=figures.uar if figures else None,
                wa=figures.wa if figures else None,
                macro_f1=figures.macro_f1 if figures else None,
                ccc={one.name: one.ccc for one in evaluation.dimensions},
                seconds_embed=self.seconds_embed if number == 0 else 0.0,
                seconds_select=seconds_select,
                seconds_train=0.0 if learnt is None else learnt.seconds,
                seconds_tapt=self.seconds_tapt if number == 0 else 0.0,
                **self._compared(learnt),
            )

    def _compared(self, learnt: StepReport | None) -> dict[str, float]:
        """UAR on the test clips with the recipe's finish and without it; empty where there are not two."""
        if learnt is None or learnt.finished is None or learnt.finished.with_finish is None:
            return {}
        truth = Truth.of(self.test).classes
        clips, known = self.test.clips, truth >= 0
        both = {"uar_with": learnt.finished.with_finish, "uar_without": learnt.finished.without}
        said = {name: classifier.predict(clips).probabilities.argmax(axis=1) for name, classifier in both.items()}
        return {name: uar(truth[known], classes[known], len(self.scheme)) for name, classes in said.items()}

    def _query(
        self, strategy: Strategy, classifier: FineTuned | None, labelled: NDArray[np.int64], n: int, number: int
    ) -> NDArray[np.int64]:
        """Positions in the pool of the next n clips to label."""
        rest = np.setdiff1d(np.arange(len(self.pool)), labelled)
        clips = [self.pool.clips[i] for i in rest]
        # A label without a class is no ground covered, unless there are none.
        covered = labelled[self.classes[labelled] >= 0] if self.scheme.classes else labelled
        predicted = classifier.predict(clips) if classifier else None
        pool = replace(
            loop.pool_view(
                self.embeddings[rest],
                predicted.probabilities if predicted else None,
                self.embeddings[covered],
                self.classes[covered],
                len(self.scheme),
                np.array([clip.duration_s for clip in clips], dtype=np.float32),
            ),
            n_dimensions=len(self.scheme.dimensions),
            labelled_dimensions=self._unit(covered),
            groups={name: codes[rest] for name, codes in self.groups.items()},
        )
        pool = profiled(pool, strategy, self.encoder, self.store, clips)
        if classifier and predicted:
            passes = loop.round_rng(self.seed, number, "passes")
            pool = heard(pool, strategy, classifier, clips, predicted.dimensions, passes)
        rng = loop.round_rng(self.seed, number, "strategy")
        return rest[loop.acquire(strategy, pool, n, rng).positions]

    def _unit(self, positions: NDArray[np.int64]) -> Floats | None:
        """(m, k) dimensions of pool clips on the unit scale."""
        return None if self.pool.dimensions is None else to_unit(self.pool.dimensions[positions], self.scheme)

    def _learn(self, positions: NDArray[np.int64], last: bool) -> StepReport | None:
        """The last report of a fine-tuning on these labels; None while nothing can be learned from them."""
        train = self._labels(positions)
        if not _teaches(train, self.scheme):
            return None
        recipe = self.recipe if last else replace(self.recipe, finish=None)
        *_, told = fine_tune(recipe, self.scheme, self.encoder, self.store, train, self.dev, self.pool.clips)
        return told

    def _evaluate(self, classifier: FineTuned | None, labelled: NDArray[np.int64]) -> Evaluation:
        """Figures on the test clips; without a classifier each is given what is known so far."""
        if classifier is None:
            predictions = _known_so_far(self._labels(labelled), self.scheme, len(self.test))
        else:
            predictions = classifier.predict(self.test.clips)
        speakers = [clip.speaker for clip in self.test.clips]
        return evaluate(predictions, Truth.of(self.test), speakers, self.scheme, self.seed)

    def _labels(self, positions: NDArray[np.int64]) -> LabelledClips:
        dimensions = None if self.pool.dimensions is None else self.pool.dimensions[positions]
        return LabelledClips(tuple(self.pool.clips[i] for i in positions), self.pool.targets[positions], dimensions)


def strategy_name(strategy: Strategy) -> str:
    """The name a result is filed under."""
    return name_of(strategy)


def _seen(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, clips: Sequence[Clip]) -> Floats:
    """(n, d) embeddings, normalised as the recipe says."""
    return normalised(recipe, embeddings(recipe, encoder, store, clips), clips)


def _groups(corpus: LabelledCorpus, fold: Fold) -> dict[str, NDArray[np.int64]]:
    """Codes of speakers and sentences of the pool."""
    columns = {
        "speaker": [corpus.clips[i].speaker for i in fold.pool],
        "sentence": [corpus.texts[i] for i in fold.pool] if corpus.texts else [],
    }
    return loop.group_codes(columns)


def _teaches(train: LabelledClips, scheme: Scheme) -> bool:
    """Whether two classes occur, and two values of every dimension."""
    if scheme.classes and np.count_nonzero(train.targets.sum(axis=0)) < 2:
        return False
    try:
        check_dimensions(train, scheme)
    except TargetError:
        return False
    return True


def _known_so_far(labelled: LabelledClips, scheme: Scheme, n: int) -> Predictions:
    """The mean label for each of n clips: the one class known, the middle of a range nobody has answered in."""
    mean = labelled.targets.sum(axis=0) + np.float32(1e-6)  # (c,); the least weight, where no class is known
    middles = np.array([(one.low + one.high) / 2 for one in scheme.dimensions], dtype=np.float32)  # (m,)
    if labelled.dimensions is not None:
        known = np.isfinite(labelled.dimensions).any(axis=0)
        middles[known] = np.nanmean(labelled.dimensions[:, known], axis=0)
    probabilities = mean / mean.sum() if scheme.classes else mean
    return Predictions(np.tile(probabilities, (n, 1)), np.tile(middles, (n, 1)))
