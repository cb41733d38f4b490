"""What does the default query strategy gain over random choice at a fifth of the labels, and what do all labels reach?

Whisper-tiny.en with the probe, as `afterloop simulate` runs it: random test speakers a seed (2 of 10 in EMO-DB, 4 of
24 in RAVDESS), rounds at 2, 5, 10 and 20 % of the pool. A gain is in UAR points, the mean over seeds of a strategy
minus random choice on the same folds; ± is its standard error. Full labels are read from the best layer by test UAR, as
the target is worded, so those rows are optimistic by the choice among four layers.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _table import Row, finish, parser

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import FeatureSpec, FeatureStore, embed
from al_core.folds import LabelledCorpus, load_labelled
from al_core.recipe import Recipe
from al_core.simulate import SimulationPlan, simulate
from al_core.strategies.specs import CoverageThenMargin, Margin, Random

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
STRATEGIES = (Random(), Margin(), CoverageThenMargin())
FRACTIONS = (0.02, 0.05, 0.1, 0.2)
TEST_SPEAKERS = {"emodb-2s": 2, "ravdess": 4}
MIDDLE = 2  # of Whisper-tiny's four layers


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    rows: list[Row] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            encoder = open_encoder(SHARED / "encoders" / "whisper-tiny.en")
            store = FeatureStore(Path(scratch))
            rows += full_labels("emodb-2s", encoder, store, 10)
            rows += at_a_fifth("emodb-2s", True, encoder, store, 5, target=3.0)
            if not arguments.short:
                rows += at_a_fifth("emodb-2s", True, encoder, store, 20, target=3.0)
                rows += at_a_fifth("emodb-2s", False, encoder, store, 20)
                rows += at_a_fifth("ravdess", True, encoder, store, 10)
                rows += at_a_fifth("ravdess", False, encoder, store, 10)
    finish("label_efficiency", rows, arguments.json)


def full_labels(name: str, encoder: SpeechEncoder, store: FeatureStore, n_seeds: int) -> list[Row]:
    corpus = opened(name, encoder, store)
    rows = []
    for normalise, target in ((False, 0.87), (True, 0.90)):
        uars = {}
        for layer in range(1, encoder.n_layers + 1):
            recipe = Recipe(layer=layer, normalise_speakers=normalise)
            plan = SimulationPlan(recipe, (Random(),), n_seeds, (1.0,), TEST_SPEAKERS[name])
            uars[layer] = run(plan, corpus, encoder, store)["full"]["uar"]
        best = max(uars, key=lambda layer: uars[layer])
        case = f"{name}, all labels{', speaker-normalised' if normalise else ''}, layer {best} of {len(uars)}"
        rows.append(Row(f"{case}, {n_seeds} seeds", uars[best], "UAR", target=target))
    return rows


def at_a_fifth(
    name: str, normalise: bool, encoder: SpeechEncoder, store: FeatureStore, n_seeds: int, target: float | None = None
) -> list[Row]:
    corpus = opened(name, encoder, store)
    recipe = Recipe(layer=MIDDLE, normalise_speakers=normalise)
    plan = SimulationPlan(recipe, STRATEGIES, n_seeds, FRACTIONS, TEST_SPEAKERS[name])
    last = [point for point in run(plan, corpus, encoder, store)["points"] if point["round"] == len(FRACTIONS) - 1]
    uars = {s.kind: np.array([point["uar"] for point in last if point["strategy"] == s.kind]) for s in STRATEGIES}
    case = f"{name}, 20 %{', speaker-normalised' if normalise else ''}, {n_seeds} seeds"
    rows = [Row(f"{case}: {Random().kind}", float(uars["random"].mean()), "UAR")]
    for kind in ("margin", "coverage_then_margin"):
        gains = 100 * (uars[kind] - uars["random"])
        error = gains.std(ddof=1) / np.sqrt(n_seeds)
        rows.append(Row(f"{case}: {kind}", float(uars[kind].mean()), "UAR", float(uars["random"].mean())))
        bound = target if kind == CoverageThenMargin().kind else None
        rows.append(Row(f"{case}: {kind}, gain ± {error:.1f}", float(gains.mean()), "UAR points", target=bound))
    return rows


def opened(name: str, encoder: SpeechEncoder, store: FeatureStore) -> LabelledCorpus:
    """The corpus, every layer of it in the store."""
    corpus = load_labelled(read_corpus(SHARED / "data" / name / "manifest.csv"))
    for _ in embed(
        encoder, store, [FeatureSpec(layer, "mean") for layer in range(1, encoder.n_layers + 1)], corpus.clips
    ):
        pass
    return corpus


def run(plan: SimulationPlan, corpus: LabelledCorpus, encoder: SpeechEncoder, store: FeatureStore) -> dict[str, Any]:
    *_, last = simulate(plan, corpus, encoder, store)
    assert last.result is not None, "the last report carries the result"
    return last.result


if __name__ == "__main__":
    main()
