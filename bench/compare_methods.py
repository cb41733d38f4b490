"""Which fine-tuning method is best with all labels, and does any beat the linear probe?

Whisper-tiny.en, random speaker-disjoint folds, the same fold and the same epochs for every method of a seed; dev
speakers stop a run early. One JSON a (method, seed, corpus) under `--output`: what is finished is not run again. A
gain is in UAR points over the probe on the same folds; ± is its standard error over seeds.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import hashlib
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from _corpora import fold_of, tested
from _methods import COMPARED
from _table import Row, finish, machine, parser, versions

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import FeatureStore
from al_core.folds import Fold, load_labelled
from al_core.peft.specs import Probe
from al_core.recipe import Recipe, recipe_to_dict

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
TEST_SPEAKERS, DEV_SPEAKERS = {"emodb-2s": 3, "ravdess": 5}, {"emodb-2s": 1, "ravdess": 3}
TARGET_POINTS = 3.0


def main() -> None:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--output", type=Path, help="folder of the results; default: a temporary one")
    made.add_argument("--corpora", nargs="+", default=["emodb-2s", "ravdess"], choices=list(TEST_SPEAKERS))
    made.add_argument("--methods", nargs="+", default=list(COMPARED), choices=list(COMPARED))
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--epochs", type=int, default=10)
    arguments = made.parse_args()
    if arguments.short:
        arguments.corpora, arguments.methods = ["emodb-2s"], ["probe", "last 2"]
        arguments.seeds = arguments.epochs = 1
    results: list[dict[str, Any]] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            output = arguments.output or Path(scratch) / "results"
            results = compared(arguments, output, FeatureStore(Path(scratch) / "features"))
            print(markdown(results))
    finish("compare_methods", rows(results), arguments.json)


def compared(arguments: Any, output: Path, store: FeatureStore) -> list[dict[str, Any]]:
    """Every (corpus, seed, method), from its file where it was run before."""
    output.mkdir(parents=True, exist_ok=True)
    encoder = open_encoder(SHARED / "encoders" / "whisper-tiny.en")
    results = []
    for name in arguments.corpora:
        corpus = load_labelled(read_corpus(SHARED / "data" / name / "manifest.csv"))
        for seed in range(arguments.seeds):
            fold = fold_of(corpus, TEST_SPEAKERS[name], DEV_SPEAKERS[name], seed)
            if arguments.short:
                fold = Fold(fold.pool[::7], fold.dev[::3], fold.test[::3])
            for method in arguments.methods:
                recipe = replace(COMPARED[method], epochs=arguments.epochs, seed=seed)
                if arguments.short:  # bf16 is emulated on many a CPU, twenty times slower
                    recipe = replace(recipe, precision="fp32")
                place = output / f"{name}-{seed}-{_digest(recipe, encoder)}.json"
                if not place.exists():
                    done = tested(recipe, corpus, fold, encoder, store)
                    told = {
                        "corpus": name,
                        "seed": seed,
                        "method": method,
                        "uar": done.uar,
                        "n_trainable": done.last.n_trainable,
                        "seconds": done.last.seconds,
                        "epoch": done.last.epoch,
                        "dev_uar": done.last.dev_uar,
                        "evaluation": asdict(done.evaluation),
                        "recipe": recipe_to_dict(recipe),
                        "machine": machine(),
                        "versions": versions(),
                    }
                    _write(place, told)
                results.append(json.loads(place.read_text(encoding="utf-8")))
    return results


def markdown(results: list[dict[str, Any]]) -> str:
    """A table a corpus: mean UAR, gain over the probe on the same folds, trained weights, seconds."""
    lines = []
    for corpus in dict.fromkeys(one["corpus"] for one in results):
        lines += ["", f"| {corpus} | UAR | over the probe | trained weights | s |", "|---|---|---|---|---|"]
        for method in dict.fromkeys(one["method"] for one in results if one["corpus"] == corpus):
            own = _of(results, corpus, method)
            gain = "" if method == "probe" else "{:+.1f} ± {:.1f}".format(*_gain(results, corpus, method))
            lines.append(
                f"| {method} | {np.mean([one['uar'] for one in own]):.3f} | {gain} "
                f"| {own[0]['n_trainable']:,} | {np.mean([one['seconds'] for one in own]):.0f} |"
            )
    return "\n".join([*lines, ""])


def rows(results: list[dict[str, Any]]) -> list[Row]:
    """UAR of each method, and the best gain over the probe a corpus."""
    made = []
    for corpus in dict.fromkeys(one["corpus"] for one in results):
        methods = list(dict.fromkeys(one["method"] for one in results if one["corpus"] == corpus))
        for method in methods:
            uars = [one["uar"] for one in _of(results, corpus, method)]
            made.append(Row(f"{corpus}, {method}, {len(uars)} seeds", float(np.mean(uars)), "UAR"))
        gains = {method: _gain(results, corpus, method)[0] for method in methods if method != "probe"}
        if "probe" in methods and gains:
            best = max(gains, key=lambda method: gains[method])
            target = TARGET_POINTS if corpus == "ravdess" else None
            made.append(Row(f"{corpus}, best over the probe: {best}", gains[best], "points", target=target))
    return made


def _gain(results: list[dict[str, Any]], corpus: str, method: str) -> tuple[float, float]:
    """UAR points over the probe on the same folds: mean and standard error."""
    probe = {one["seed"]: one["uar"] for one in _of(results, corpus, "probe")}
    gains = [100 * (one["uar"] - probe[one["seed"]]) for one in _of(results, corpus, method) if one["seed"] in probe]
    if not gains:
        return float("nan"), float("nan")
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else 0.0


def _of(results: list[dict[str, Any]], corpus: str, method: str) -> list[dict[str, Any]]:
    return [one for one in results if (one["corpus"], one["method"]) == (corpus, method)]


def _digest(recipe: Recipe, encoder: SpeechEncoder) -> str:
    kind = "probe" if isinstance(recipe.method, Probe) else recipe.method.kind
    told = json.dumps([recipe_to_dict(recipe), encoder.digest], sort_keys=True)
    return f"{kind}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _write(place: Path, told: dict[str, Any]) -> None:
    """Whole or not at all: a run that was killed is run again."""
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
    partial.rename(place)


if __name__ == "__main__":
    main()
