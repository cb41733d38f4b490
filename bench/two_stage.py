"""Does a first stage on another acted corpus help a second stage that has few labels, and what does the source lose?

Whisper-tiny.en, LoRA on the first three blocks, RAVDESS → EMO-DB and back, the same speaker-disjoint folds a seed.
Stage A learns from all labels of the source, stage B from a fifth of the target's; "alone" is stage B without a first
stage. UAR over the six classes that both corpora have, on both test sets, before (stage A's classifier) and after.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from _corpora import fold_of, part, trained
from _methods import COMPARED
from _table import Row, finish, parser

from al_core.checkpoint import load_checkpoint, save_checkpoint
from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.evaluation.evaluate import Truth
from al_core.features import FeatureStore
from al_core.folds import Fold, LabelledCorpus, load_labelled
from al_core.peft.methods import FineTuned
from al_core.recipe import Recipe, Start
from al_core.targets import labels_digest
from al_core.two_stage import SharedScheme, figures_on, shared_scheme

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
TEST_SPEAKERS, DEV_SPEAKERS = {"emodb-2s": 3, "ravdess": 5}, {"emodb-2s": 1, "ravdess": 3}
NEW = {"emodb-2s": ("boredom",), "ravdess": ("calm", "surprise")}
EPOCHS = 8  # of stage A
# Of stage B, on a fifth of the labels: some 50 to 75 optimiser steps on either corpus.
FEW_EPOCHS = {"emodb-2s": 15, "ravdess": 4}
FEW = 0.2
RECIPE = COMPARED["LoRA, α = 16"]


def main() -> None:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--sources", nargs="+", default=["ravdess", "emodb-2s"], choices=["ravdess", "emodb-2s"])
    made.add_argument("--output", type=Path, help="folder of the first stages: what is there is not trained again")
    arguments = made.parse_args()
    rows: list[Row] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            bench = _Bench(Path(scratch), arguments.output or Path(scratch), arguments.short)
            for source in ["ravdess"] if arguments.short else arguments.sources:
                target = "ravdess" if source == "emodb-2s" else "emodb-2s"
                rows += bench.direction(source, target, 1 if arguments.short else arguments.seeds)
    finish("two_stage", rows, arguments.json)


class _Bench:
    """The encoder, the corpora, and where features and first stages lie."""

    def __init__(self, scratch: Path, output: Path, short: bool) -> None:
        self.output = output
        self.short = short
        self.encoder: SpeechEncoder = open_encoder(SHARED / "encoders" / "whisper-tiny.en")
        self.store = FeatureStore(scratch / "features")
        self.corpora: dict[str, LabelledCorpus] = {}

    def corpus(self, name: str) -> LabelledCorpus:
        if name not in self.corpora:
            self.corpora[name] = load_labelled(read_corpus(SHARED / "data" / name / "manifest.csv"))
        return self.corpora[name]

    def direction(self, source: str, target: str, n_seeds: int) -> list[Row]:
        """Rows of one direction: means over seeds, and the gain over stage B alone with its standard error."""
        found: dict[str, list[float]] = {}
        for seed in range(n_seeds):
            for case, uar in self.seed(source, target, seed).items():
                found.setdefault(case, []).append(uar)
        rows = [Row(f"{source} → {target}, {case}", float(np.mean(uars)), "UAR") for case, uars in found.items()]
        for adaptors in ("continue", "stack"):
            gains = 100 * (np.array(found[f"target after, {adaptors}"]) - np.array(found["target, stage B alone"]))
            error = float(gains.std(ddof=1) / n_seeds**0.5) if n_seeds > 1 else 0.0
            case = f"{source} → {target}, {adaptors} over alone (± {error:.1f}, {n_seeds} seeds)"
            rows.append(Row(case, float(gains.mean()), "points"))
        return rows

    def seed(self, source: str, target: str, seed: int) -> dict[str, float]:
        """UAR of every case of one seed."""
        one, other = self.corpus(source), self.corpus(target)
        start = Start("", new_classes=NEW[target])
        shared = shared_scheme(one.scheme, other.scheme, start)
        folds = {
            name: fold_of(self.corpus(name), TEST_SPEAKERS[name], DEV_SPEAKERS[name], seed) for name in (source, target)
        }
        if self.short:
            folds = {source: _thinned(folds[source], 29), target: _thinned(folds[target], 7)}
        few = _few(other, folds[target], seed)
        place = self.output / f"{source}-{seed}"
        first = self.first(place, source, folds[source], seed)
        told = {
            "source before": self.uar(first, one, folds[source], shared, True, True),
            "target before": self.uar(first, other, folds[target], shared, False, True),
            "target, stage B alone": self.uar(
                self.trained(replace(RECIPE, seed=seed), target, few, FEW_EPOCHS[target]),
                other,
                few,
                shared,
                False,
                False,
            ),
        }
        for adaptors in ("continue", "stack"):
            begun = replace(start, checkpoint=str(place), adaptors=adaptors)
            second = self.trained(replace(RECIPE, seed=seed, start=begun), target, few, FEW_EPOCHS[target])
            told[f"source after, {adaptors}"] = self.uar(second, one, folds[source], shared, True, False)
            told[f"target after, {adaptors}"] = self.uar(second, other, few, shared, False, False)
        return told

    def first(self, place: Path, name: str, fold: Fold, seed: int) -> FineTuned:
        """Stage A, from its checkpoint where there is one."""
        if not place.exists():
            labelled = part(self.corpus(name), fold.pool)
            keys = [clip.key for clip in labelled.clips]
            trained = self.trained(replace(RECIPE, seed=seed), name, fold, EPOCHS)
            save_checkpoint(place, trained, labels_digest(keys, labelled.targets))
        return load_checkpoint(place, self.encoder, self.store)

    def trained(self, recipe: Recipe, name: str, fold: Fold, epochs: int) -> FineTuned:
        recipe = replace(recipe, epochs=1 if self.short else epochs)
        if self.short:  # bf16 is emulated on many a CPU, twenty times slower
            recipe = replace(recipe, precision="fp32")
        return trained(recipe, self.corpus(name), fold, self.encoder, self.store).classifier

    def uar(
        self,
        classifier: FineTuned,
        corpus: LabelledCorpus,
        fold: Fold,
        shared: SharedScheme,
        labelled_in_source: bool,
        trained_on_source: bool,
    ) -> float:
        test = part(corpus, fold.test)
        found = figures_on(classifier, test.clips, Truth.of(test), shared, labelled_in_source, trained_on_source)
        assert found.classes is not None, "six classes are shared"
        return found.classes.uar


def _few(corpus: LabelledCorpus, fold: Fold, seed: int) -> Fold:
    """The fold with a random fifth of its pool."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(fold.pool)[: round(FEW * len(fold.pool))]
    return replace(fold, pool=tuple(sorted(int(i) for i in chosen)))


def _thinned(fold: Fold, step: int) -> Fold:
    """Every so many clips. Neither corpus lists its classes in steps of 7 or 29, and the test clips keep each class."""
    return Fold(fold.pool[::step], fold.dev[::step], fold.test[::7])


if __name__ == "__main__":
    main()
