"""Does TAPT pay? Probe UAR at 10 %, 20 % and 100 % of the labels, without it and after each objective.

Whisper-tiny.en, random speaker-disjoint folds. On every fold the encoder adapts to the fold's training audio alone;
the probe learns from the same clips' labels and is tested on the fold's test speakers. One JSON a (objective, corpus,
seed) under `--output`: what is finished is not run again, what was killed goes on. A gain is in UAR points over no TAPT
on the same folds; brackets are its corrected 95 % interval over folds (`tapt/paired.py`). Settings are compared with

    python bench/pretraining.py --output results --variant "light" contrastive objective.mask_share=0.07 steps=300
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# This script has the name of the package it measures, which must be found first.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hashlib
import json
import shutil
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np
from _corpora import fold_of
from _table import Row, finish, machine, parser, versions

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.features import FeatureStore, embed
from al_core.folds import LabelledCorpus, load_labelled
from al_core.peft.probe import feature_spec
from al_core.recipe import Recipe
from tapt.evaluate import probe_figures
from tapt.evaluate_folds import EvaluationFold, LabelledSpeech
from tapt.paired import Paired, paired
from tapt.pretrain import pretrain
from tapt.recipe import TaptRecipe, tapt_recipe_to_dict
from tapt.spelled import OBJECTIVES, recipe_of

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
TEST_SPEAKERS = {"emodb-2s": 3, "ravdess": 5, "urdu": 10}  # half of the speakers of urdu have four clips or fewer
FRACTIONS = (0.1, 0.2, 1.0)
NONE = "none"
TARGET_POINTS = 2.0  # at 20 % of the labels, for one objective at least
Asked = dict[str, TaptRecipe | None]


def main() -> None:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--output", type=Path, help="folder of the results; default: a temporary one")
    made.add_argument("--corpora", nargs="+", default=list(TEST_SPEAKERS), choices=list(TEST_SPEAKERS))
    made.add_argument("--objectives", nargs="*", default=list(OBJECTIVES), choices=OBJECTIVES)
    made.add_argument(
        "--variant", nargs="+", action="append", default=[], metavar="NAME OBJECTIVE FIELD=VALUE",
        help="an objective with settings of its own, under a name; may be repeated",
    )  # fmt: skip
    made.add_argument("--seeds", type=int, default=5)
    made.add_argument("--layer", type=int, default=2, help="hidden state of the tables; the JSON has all of them")
    made.add_argument("--normalise-speakers", action="store_true")
    made.add_argument("--encoder", type=Path, default=SHARED / "encoders" / "whisper-tiny.en")
    arguments = made.parse_args()
    asked: Asked = {NONE: None} | {name: recipe_of(name, None, []) for name in arguments.objectives}
    for name, objective, *settings in arguments.variant:
        asked[name] = recipe_of(objective, None, settings)
    thin = 1
    if arguments.short:
        arguments.corpora, arguments.seeds, thin = ["emodb-2s"], 1, 5
        asked = {NONE: None, "masked_units": recipe_of("masked_units", None, ["steps=2", "objective.units=20"])}
    results: list[dict[str, Any]] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            output = arguments.output or Path(scratch)
            output.mkdir(parents=True, exist_ok=True)
            results = measured(arguments, asked, output, thin)
            print(markdown(results, arguments.layer))
    finish("pretraining", rows(results, arguments.layer), arguments.json)


def measured(arguments: Any, asked: Asked, output: Path, thin: int) -> list[dict[str, Any]]:
    """Every (corpus, seed, objective), from its file where it was run before."""
    encoder = open_encoder(arguments.encoder)
    recipe = Recipe(normalise_speakers=arguments.normalise_speakers)
    results = []
    for name in arguments.corpora:
        corpus = thinned(load_labelled(read_corpus(SHARED / "data" / name / "manifest.csv")), thin)
        for seed in range(arguments.seeds):
            for objective, tapt in asked.items():
                seeded = None if tapt is None else replace(tapt, seed=seed)
                place = output / f"{name}-{seed}-{_digest(seeded, recipe, encoder, (thin, TEST_SPEAKERS[name]))}.json"
                if not place.exists():
                    told = one_run(seeded, recipe, corpus, TEST_SPEAKERS[name], seed, encoder, output / place.stem)
                    about = {"corpus": name, "seed": seed, "kind": NONE if tapt is None else tapt.objective.kind}
                    _write(place, about | told | {"machine": machine(), "versions": versions()})
                results.append(json.loads(place.read_text(encoding="utf-8")) | {"objective": objective})
                print(f"{name}, seed {seed}, {objective}: {_said(results[-1], arguments.layer)}", file=sys.stderr)
    return results


def one_run(
    tapt: TaptRecipe | None, recipe: Recipe, corpus: LabelledCorpus, n_test: int, seed: int,
    encoder: SpeechEncoder, folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Adapt to the fold's pool, then probe every hidden state at every share of the labels."""
    speech = LabelledSpeech.of(corpus)
    drawn = fold_of(corpus, n_test, 0, seed)
    fold = EvaluationFold(np.array(drawn.pool), np.array(drawn.test))
    told: dict[str, Any] = {"recipe": None, "seconds_tapt": 0.0}
    adapted = encoder
    if tapt is not None:
        held_out = {corpus.clips[i].key for i in drawn.test}
        *_, last = pretrain(tapt, encoder, [corpus.clips[i] for i in drawn.pool], folder / "encoder", held_out)
        adapted = open_encoder(folder / "encoder")
        told = {
            "recipe": tapt_recipe_to_dict(tapt), "seconds_tapt": last.seconds, "seconds_audio": last.seconds_audio,
            "loss": json.loads((folder / "encoder" / "tapt.json").read_text(encoding="utf-8"))["loss"],
            "unit_perplexity": last.unit_perplexity,
        }  # fmt: skip
    began = time.perf_counter()
    store = FeatureStore(folder / "features")
    layers = range(adapted.n_layers + 1)
    specs = [feature_spec(replace(recipe, layer=layer), adapted) for layer in layers]
    for _ in embed(adapted, store, specs, corpus.clips):
        pass
    told["uar"] = {}
    for layer in layers:
        found = probe_figures(replace(recipe, layer=layer, seed=seed), adapted, speech, fold, FRACTIONS, seed, store)
        told["uar"][str(layer)] = {str(share): uar for share, (_, uar) in zip(FRACTIONS, found, strict=True)}
    shutil.rmtree(folder, ignore_errors=True)
    overlap = len(fold.test) / len(fold.pool)
    return told | {"seconds_probe": time.perf_counter() - began, "overlap": overlap, "n_pool": len(fold.pool)}


def thinned(corpus: LabelledCorpus, every: int) -> LabelledCorpus:
    """Each n-th clip of a corpus."""
    parts = {name: getattr(corpus, name)[::every] for name in ("clips", "labels", "groups", "splits")}
    return replace(corpus, **parts)


def uar_of(one: dict[str, Any], layer: int, fraction: float) -> float:
    """At a hidden state; an adapter, which adds its own above the encoder's, is read where it ends."""
    layers = one["uar"]
    chosen = max(map(int, layers)) if one["kind"] == "local_attributes" else layer
    return float(layers[str(chosen)][str(fraction)])


def gain(results: list[dict[str, Any]], corpus: str, objective: str, layer: int, fraction: float) -> Paired | None:
    """Over no TAPT on the same folds; None without one."""
    before = {one["seed"]: uar_of(one, layer, fraction) for one in _of(results, corpus, NONE)}
    own = [one for one in _of(results, corpus, objective) if one["seed"] in before]
    if not own:
        return None
    after = [uar_of(one, layer, fraction) for one in own]
    return paired([before[one["seed"]] for one in own], after, float(np.mean([one["overlap"] for one in own])))


def markdown(results: list[dict[str, Any]], layer: int) -> str:
    """A table a corpus: UAR and gain at each share of the labels, and what the adaptation took."""
    lines = []
    for corpus in dict.fromkeys(one["corpus"] for one in results):
        shares = " | ".join(f"{fraction:.0%} of the labels" for fraction in FRACTIONS)
        lines += ["", f"| {corpus}, layer {layer} | {shares} | TAPT, s |", "|---" * (len(FRACTIONS) + 2) + "|"]
        for objective in dict.fromkeys(one["objective"] for one in results if one["corpus"] == corpus):
            own = _of(results, corpus, objective)
            cells = []
            for fraction in FRACTIONS:
                found = gain(results, corpus, objective, layer, fraction)
                mean = float(np.mean([uar_of(one, layer, fraction) for one in own]))
                over = "" if objective == NONE or found is None else f" {_points(found)}"
                cells.append(f"{mean:.3f}{over}")
            seconds = np.mean([one["seconds_tapt"] for one in own])
            lines.append(f"| {objective} | {' | '.join(cells)} | {seconds:.0f} |")
    return "\n".join([*lines, ""])


def rows(results: list[dict[str, Any]], layer: int) -> list[Row]:
    """The gains of each objective, the best one at 20 % and the worst one at 100 % of the labels."""
    made = []
    for corpus in dict.fromkeys(one["corpus"] for one in results):
        names = [one["objective"] for one in results if one["corpus"] == corpus and one["objective"] != NONE]
        gains = {
            (name, fraction): found.gain
            for name in dict.fromkeys(names)
            for fraction in FRACTIONS
            if (found := gain(results, corpus, name, layer, fraction)) is not None
        }
        made += [
            Row(f"{corpus}, {name}, {fraction:.0%} of the labels", 100 * value, "points")
            for (name, fraction), value in gains.items()
        ]
        at_20 = [value for (_, fraction), value in gains.items() if fraction == 0.2]
        at_all = [value for (_, fraction), value in gains.items() if fraction == 1.0]
        if at_20:
            made.append(Row(f"{corpus}, best at 20 %", 100 * max(at_20), "points", target=TARGET_POINTS))
            made.append(Row(f"{corpus}, worst at 100 %", 100 * min(at_all), "points", target=0.0))
    return made


def _points(found: Paired) -> str:
    interval = "" if found.low is None or found.high is None else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"{100 * found.gain:+.1f}{interval}"


def _said(one: dict[str, Any], layer: int) -> str:
    figures = ", ".join(f"{fraction:.0%} {uar_of(one, layer, fraction):.3f}" for fraction in FRACTIONS)
    return f"{figures}; TAPT {one['seconds_tapt']:.0f} s"


def _of(results: list[dict[str, Any]], corpus: str, objective: str) -> list[dict[str, Any]]:
    return [one for one in results if (one["corpus"], one["objective"]) == (corpus, objective)]


def _digest(tapt: TaptRecipe | None, recipe: Recipe, encoder: SpeechEncoder, sizes: tuple[int, int]) -> str:
    kind = NONE if tapt is None else tapt.objective.kind
    described = None if tapt is None else tapt_recipe_to_dict(tapt)
    told = json.dumps([described, recipe.normalise_speakers, encoder.digest, sizes, FRACTIONS], sort_keys=True)
    return f"{kind}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _write(place: Path, told: dict[str, Any]) -> None:
    """Whole or not at all: a run that was killed is run again."""
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
    partial.rename(place)


if __name__ == "__main__":
    main()
