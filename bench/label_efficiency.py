"""How few labels does the loop need, and what does it take beside one full fine-tune on all of them?

Whisper-tiny.en, random speaker-disjoint folds, the same for every recipe and strategy of a seed. Three parts:

proof       the standard recipe and the default strategy in ten rounds up to 20 % of the labels, with speakers known and
            not. The bar is what a probe on layer 2 reaches with all labels. With speakers known it is the better of one
            normalised by speaker and a plain one, less a point; otherwise it is the plain one's. EMO-DB and RAVDESS
            have bars that were stated before any of this was run. The recipe's finish ends the last round only, so the
            rounds before it stand lower than a loop that ended there.
time        seconds of that whole loop on EMO-DB (embedding into an empty store, test clips too; every round's scoring
            and training, the last one's finish and its comparison), over one full fine-tune (30 epochs at most, dev
            speakers stop it). Wall-clock seconds compare only where both ran on as many cores: `taskset -c 0` the whole
            bench; CPU seconds are of all threads, and the loop's hold its evaluation as well.
strategies  every strategy that needs neither dimensions nor profiles of a self-supervised loss, at 2 to 50 %. Labels
            needed are those of the first round at 95 % or 100 % of the same seed's full-label UAR, a mean only where
            every seed got there. Brackets are corrected 95 % intervals over folds (`tapt/paired.py`) and p is of the
            same test, not corrected for how many strategies there are.

One JSON a run under `--output`: what is finished is not run again, so several processes may share the work by corpus.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# `tapt` is found beside this folder also where nothing is installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import tempfile
from dataclasses import replace

from _efficiency import mean_at, mean_of, proof_table, strategies_rows, strategies_table
from _kept import Told
from _learning_curves import FULL, NORMALISED, PLAIN, STANDARD, TEST_SPEAKERS, UNKNOWN, Curves
from _table import Row, finish, parser

from al_core.encoders import open_encoder
from al_core.features import FeatureStore
from al_core.strategies.specs import STRATEGY_NAMES, CoverageThenMargin, parse_strategy

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
PARTS = ("proof", "time", "strategies")
PROVED = ("emodb-2s", "ravdess", "urdu")
TIMED, TIMED_DEV_SPEAKERS = "emodb-2s", 1
ROUNDS = tuple(round(0.02 * number, 2) for number in range(1, 11))
FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
FIFTH = 0.2
STATED = {
    ("emodb-2s", STANDARD): 0.90,
    ("ravdess", STANDARD): 0.79,
    ("emodb-2s", UNKNOWN): 0.87,
    ("ravdess", UNKNOWN): 0.72,
}
POINT = 0.01
TARGET_TIME = 0.21
STRATEGIES = tuple(name for name in STRATEGY_NAMES if not parse_strategy(name).needs_dimensions)


def main() -> None:
    arguments = asked()
    rows: list[Row] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/ and encoders/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            output = arguments.output or Path(scratch) / "results"
            output.mkdir(parents=True, exist_ok=True)
            store = FeatureStore(arguments.features or Path(scratch) / "features")
            encoder = open_encoder(SHARED / "encoders" / "whisper-tiny.en")
            curves = Curves(SHARED / "data", output, encoder, store, thin=arguments.thin)
            for name in arguments.corpora:
                if "proof" in arguments.parts and name in PROVED:
                    rows += proof(curves, name, arguments)
                if "time" in arguments.parts and name == TIMED:
                    rows += timed(curves, arguments)
                if "strategies" in arguments.parts:
                    rows += strategies(curves, name, arguments)
    finish("label_efficiency", list(dict.fromkeys(rows)), arguments.json)


def asked() -> argparse.Namespace:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--output", type=Path, help="folder of the results; default: a temporary one")
    made.add_argument("--features", type=Path, help="folder of stored features; default: a temporary one")
    made.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    made.add_argument("--corpora", nargs="+", default=list(TEST_SPEAKERS), choices=list(TEST_SPEAKERS))
    made.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    made.add_argument("--recipes", nargs="+", default=[STANDARD, UNKNOWN], choices=[STANDARD, UNKNOWN], help="proved")
    made.add_argument("--seeds", type=int, default=5)
    arguments = made.parse_args()
    arguments.rounds, arguments.fractions, arguments.full, arguments.thin = ROUNDS, FRACTIONS, FULL, 1
    if arguments.short:
        arguments.corpora, arguments.strategies, arguments.seeds, arguments.thin = [TIMED], ["margin"], 1, 5
        arguments.rounds = arguments.fractions = (0.1, FIFTH)
        arguments.recipes, arguments.full = [STANDARD], replace(FULL, epochs=1)
    return arguments


def proof(curves: Curves, name: str, arguments: argparse.Namespace) -> list[Row]:
    """The loop at a fifth of the labels beside the bars."""
    loops = {recipe: loop(curves, name, recipe, arguments) for recipe in arguments.recipes}
    lines = {recipe: all_labels(curves, name, recipe, arguments) for recipe in (PLAIN, NORMALISED, *loops)}
    print(proof_table(name, loops, lines))
    plain, normalised = (mean_of(lines[recipe], "uar") for recipe in (PLAIN, NORMALISED))
    bars = {STANDARD: max(plain, normalised) - POINT, UNKNOWN: plain}
    made = [Row(f"{name}, {recipe}: all labels", mean_of(full, "uar"), "UAR") for recipe, full in lines.items()]
    for recipe, own in loops.items():
        target = STATED.get((name, recipe), bars[recipe])
        case = f"{name}, {recipe}: {FIFTH:.0%} of the labels, {len(own)} seeds"
        made.append(Row(case, mean_at(own, FIFTH), "UAR", target=target))
    return made


def timed(curves: Curves, arguments: argparse.Namespace) -> list[Row]:
    """The whole loop over one full fine-tune, in seconds and in CPU seconds."""
    own = loop(curves, TIMED, STANDARD, arguments)
    full = curves.full_fine_tune(TIMED, 0, TIMED_DEV_SPEAKERS, arguments.full)
    case = f"{TIMED}, full fine-tune on all {full['n_train']} labels, {full['epochs']} epochs"
    made = [Row(f"{case}: test", full["uar"], "UAR")]
    for figure in ("seconds", "cpu_seconds"):
        unit = figure.replace("_", " ")
        made.append(Row(f"{case}", full[figure], unit))
        made.append(Row(f"{TIMED}, {STANDARD}: the loop, {len(own)} seeds", mean_of(own, figure), unit))
        share = mean_of(own, figure) / full[figure]
        made.append(Row(f"{TIMED}, loop ÷ full fine-tune", share, unit, target=TARGET_TIME, less_is_better=True))
    return made


def strategies(curves: Curves, name: str, arguments: argparse.Namespace) -> list[Row]:
    """Every strategy on a cheap probe."""
    recipe = PLAIN if name == "urdu" else NORMALISED
    full = all_labels(curves, name, recipe, arguments)
    found = []
    for strategy in dict.fromkeys(("random", *arguments.strategies)):
        for seed in range(arguments.seeds):
            found.append(curves.curve(name, recipe, parse_strategy(strategy), arguments.fractions, seed))
            print(f"{name}, {strategy}, seed {seed}: {mean_at(found[-1:], FIFTH):.3f} at {FIFTH:.0%}", file=sys.stderr)
    print(strategies_table(name, recipe, found, full, FIFTH))
    return strategies_rows(name, recipe, found, full)


def loop(curves: Curves, name: str, recipe: str, arguments: argparse.Namespace) -> list[Told]:
    """The default strategy's curve on each seed; where seconds count, each begins with an empty store."""
    found, from_empty = [], (name, recipe) == (TIMED, STANDARD)
    for seed in range(arguments.seeds):
        found.append(curves.curve(name, recipe, CoverageThenMargin(), arguments.rounds, seed, from_empty))
        told = f"{mean_at(found[-1:], FIFTH):.3f} at {FIFTH:.0%}, {found[-1]['seconds']:.0f} s"
        print(f"{name}, {recipe}, seed {seed}: {told}", file=sys.stderr)
    return found


def all_labels(curves: Curves, name: str, recipe: str, arguments: argparse.Namespace) -> list[Told]:
    return [curves.all_labels(name, recipe, seed) for seed in range(arguments.seeds)]


if __name__ == "__main__":
    main()
