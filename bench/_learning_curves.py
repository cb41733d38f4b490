"""Learning curves of simulated annotation, lines with all labels, and one full fine-tune, each with its seconds."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from _kept import Told, kept

from al_core import loop
from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder
from al_core.evaluation.evaluate import Truth, evaluate
from al_core.features import FeatureStore
from al_core.folds import LabelledCorpus, load_labelled, random_fold
from al_core.peft.specs import Full
from al_core.recipe import Recipe, recipe_to_dict, standard_recipe
from al_core.simulated_run import SimulatedRun
from al_core.strategies.specs import Strategy, name_of
from al_core.train import fine_tune

# Random test speakers a seed. Half of the speakers of urdu have four clips or fewer.
TEST_SPEAKERS = {"emodb-2s": 3, "ravdess": 5, "urdu": 10, "emodb-4class": 3}
PLAIN, NORMALISED, STANDARD, UNKNOWN = (
    "layer 2",
    "layer 2, speaker-normalised",
    "standard",
    "standard, speakers unknown",
)
RECIPES = {
    PLAIN: Recipe(layer=2),
    NORMALISED: Recipe(layer=2, normalise_speakers=True),
    STANDARD: standard_recipe(),
    UNKNOWN: standard_recipe(),
}
FULL = Recipe(method=Full())
SECONDS = ("seconds_tapt", "seconds_embed", "seconds_select", "seconds_train")


@dataclass(frozen=True, slots=True)
class Curves:
    """Where curves come from and where they are kept.

    Attributes:
        data: folder of the corpora.
        output: folder of the results.
        features: of the runs whose seconds are not asked for: computed once.
        thin: every n-th clip of a corpus is used.
        opened: the corpora read so far.
    """

    data: Path
    output: Path
    encoder: SpeechEncoder
    features: FeatureStore
    thin: int = 1
    opened: dict[str, LabelledCorpus] = field(default_factory=dict)

    def curve(
        self, name: str, recipe: str, strategy: Strategy, fractions: tuple[float, ...], seed: int, timed: bool = False
    ) -> Told:
        """Test UAR and seconds of every round on the fold of a seed.

        Args:
            name: of the corpus.
            recipe: one of RECIPES.
            timed: embed into an empty store, so that the seconds are those of somebody who begins.
        """
        about = {"kind": "curve", "corpus": name, "recipe": recipe, "strategy": name_of(strategy), "seed": seed}
        decides = {"strategy": asdict(strategy), "fractions": fractions, "timed": timed}

        def told() -> Told:
            self._corpus(name)
            with self._store(timed) as store:
                cpu = time.process_time()
                run = self._begun(name, recipe, fractions, seed, store)
                points = list(run.rounds(strategy))
                cpu = time.process_time() - cpu
            plain = [asdict(point) for point in points]
            parts = {part: sum(point[part] for point in plain) for part in SECONDS}
            return {"cpu_seconds": cpu, "seconds": sum(parts.values()), "points": plain} | parts | _sizes(run)

        return kept(self.output, about, decides | self._decides(name, RECIPES[recipe]), told)

    def all_labels(self, name: str, recipe: str, seed: int) -> Told:
        """Test UAR of one fine-tuning on every label of the same fold's pool."""
        about = {"kind": "all", "corpus": name, "recipe": recipe, "seed": seed}

        def told() -> Told:
            run = self._begun(name, recipe, (1.0,), seed, self.features)
            evaluation, _ = run.full()
            assert evaluation.classes is not None, "the corpora have classes"
            return {"uar": evaluation.classes.uar} | _sizes(run)

        return kept(self.output, about, self._decides(name, RECIPES[recipe]), told)

    def full_fine_tune(self, name: str, seed: int, n_dev: int, recipe: Recipe = FULL) -> Told:
        """Every block of the encoder fine-tuned on all labels but those of dev speakers, who stop it: UAR, seconds."""
        about = {"kind": "full fine-tune", "corpus": name, "seed": seed}

        def told() -> Told:
            corpus, seeded = self._corpus(name), replace(recipe, seed=seed)
            fold = random_fold(corpus, TEST_SPEAKERS[name], n_dev, loop.round_rng(seed, 0, "fold"))
            train, dev, test = (corpus.labelled(part) for part in (fold.pool, fold.dev, fold.test))
            with self._store(timed=True) as store:
                wall, cpu, epochs = time.perf_counter(), time.process_time(), 0
                for last in fine_tune(seeded, corpus.scheme, self.encoder, store, train, dev, train.clips):
                    epochs = max(epochs, last.epoch)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                assert last.classifier is not None, "the last report carries the classifier"
                predictions = last.classifier.predict(test.clips)
            speakers = [clip.speaker for clip in test.clips]
            figures = evaluate(predictions, Truth.of(test), speakers, corpus.scheme).classes
            assert figures is not None, "the corpora have classes"
            took = {"seconds": wall, "cpu_seconds": cpu, "epochs": epochs, "epoch_kept": last.epoch}
            return {"uar": figures.uar, "n_train": len(train), "n_dev": len(dev), "n_test": len(test)} | took

        return kept(self.output, about, {"n_dev": n_dev} | self._decides(name, recipe), told)

    def _begun(
        self, name: str, recipe: str, fractions: tuple[float, ...], seed: int, store: FeatureStore
    ) -> SimulatedRun:
        corpus, chosen = self._corpus(name), replace(RECIPES[recipe], seed=seed)
        # The folds of `afterloop simulate`; speakers are forgotten only once they have parted the clips.
        fold = random_fold(corpus, TEST_SPEAKERS[name], 0, loop.round_rng(seed, 0, "fold"))
        corpus = _without_speakers(corpus) if recipe == UNKNOWN else corpus
        return SimulatedRun.begin(chosen, fractions, corpus, fold, self.encoder, store, None, seed)

    def _corpus(self, name: str) -> LabelledCorpus:
        if name not in self.opened:
            self.opened[name] = _thinned(load_labelled(read_corpus(self.data / name / "manifest.csv")), self.thin)
        return self.opened[name]

    def _decides(self, name: str, recipe: Recipe) -> Told:
        sizes = {"test_speakers": TEST_SPEAKERS[name], "thin": self.thin}
        return {"recipe": recipe_to_dict(recipe), "encoder": self.encoder.digest} | sizes

    @contextmanager
    def _store(self, timed: bool) -> Iterator[FeatureStore]:
        if not timed:
            yield self.features
            return
        with tempfile.TemporaryDirectory() as empty:
            yield FeatureStore(Path(empty))


def _without_speakers(corpus: LabelledCorpus) -> LabelledCorpus:
    return replace(corpus, clips=tuple(replace(clip, speaker=None) for clip in corpus.clips))


def _thinned(corpus: LabelledCorpus, every: int) -> LabelledCorpus:
    names = ("clips", "labels", "groups", "splits", "texts", "sessions")
    parts: dict[str, Sequence[object]] = {name: getattr(corpus, name)[::every] for name in names}
    return replace(corpus, **parts)


def _sizes(run: SimulatedRun) -> Told:
    return {"n_pool": len(run.pool), "n_test": len(run.test)}
