"""What does an optimiser step of each fine-tuning method cost, in seconds, memory and trained weights?

Each method in a process of its own, through `al_core.train.fine_tune` as a worker runs it: reading audio or cached
frames, forward, backward, optimiser. Seconds a step are the median after two steps of warm-up; memory is the peak of
the process; the yardstick is full fine-tuning in fp32, run first and once more at the end so that a machine that slowed
down shows (not with `--short`). `--encoder` is a folder or hub id; without it the 12 × 768 HuBERT-base shape with
random weights. With `--manifest` every method is also fine-tuned for `--epochs` epochs on a corpus, and its test UAR is
printed; the test CCC of columns of the manifest with `--dimensions recognised:0:100`.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _hubert import random_hubert
from _methods import CACHED, FULL, PARTIAL, STEPS
from _table import Row, finish, parser

WARM_UP = 2
# Those with a target.
SHORT = (FULL, PARTIAL, CACHED)


def main() -> None:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--encoder", help="folder or hub id; default: HuBERT-base's shape with random weights")
    made.add_argument("--seconds", type=float, default=3.0, help="of each clip")
    made.add_argument("--batch", type=int, default=8, help="clips a minibatch")
    made.add_argument("--steps", type=int, default=8, help="optimiser steps timed")
    made.add_argument("--manifest", type=Path, help="also fine-tune on this corpus and print the test UAR")
    made.add_argument("--dimensions", nargs="+", default=[], help="with --manifest: NAME:LOW:HIGH instead of classes")
    made.add_argument("--epochs", type=int, default=5, help="with --manifest")
    made.add_argument("--methods", nargs="+", choices=list(STEPS), help="only these, beside the three with a target")
    made.add_argument("--case", help=argparse.SUPPRESS)
    arguments = made.parse_args()
    if arguments.case:
        print(json.dumps(measured(arguments)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        arguments.encoder = arguments.encoder or random_hubert(Path(scratch) / "encoder", arguments.short)
        if arguments.short:  # bf16 is emulated on many a CPU, twenty times slower
            arguments.steps, arguments.batch, arguments.seconds = 2, 2, 1.0
        wanted = [*SHORT, *(arguments.methods or ())] if arguments.short or arguments.methods else list(STEPS)
        names = [name for name in STEPS if name in wanted]
        told = {name: _in_a_process(arguments, name) for name in names}
        if not arguments.short:
            told[f"{FULL}, once more"] = _in_a_process(arguments, FULL)
    finish("finetune", rows(told), arguments.json)


def rows(told: dict[str, dict[str, Any]]) -> list[Row]:
    """Seconds a step beside full fp32's, trained share, memory, and UAR where there is one."""
    full = told[FULL]
    targets = {PARTIAL: 3.0, CACHED: 8.3}
    made = []
    for name, one in told.items():
        seconds, whole = one["seconds_step"], full["seconds_step"]
        made.append(Row(f"{name}: step", seconds, "s", whole, targets.get(name), less_is_better=True))
        made.append(Row(f"{name}: trained weights", one["n_trainable"] / 1e6, "million"))
        made.append(Row(f"{name}: peak memory", one["peak_mb"], "MB", full["peak_mb"], less_is_better=True))
        made += [Row(f"{name}: test {figure}", value, figure.split()[0]) for figure, value in one["tested"].items()]
    share = told[CACHED]["n_trainable"] / full["n_trainable"]
    made.append(Row("last 3: share of full's trained weights", share, "", target=0.29, less_is_better=True))
    return made


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """One method in this process."""
    from al_core.encoders import open_encoder
    from al_core.features import FeatureStore

    with tempfile.TemporaryDirectory() as scratch:
        encoder, store = open_encoder(arguments.encoder), FeatureStore(Path(scratch))
        told = _timed(arguments, encoder, store)
        told["tested"] = {} if arguments.manifest is None else _tested(arguments, encoder, store)
    return told


def _timed(arguments: argparse.Namespace, encoder: Any, store: Any) -> dict[str, Any]:
    from al_core.features import Clip
    from al_core.scheme import Scheme
    from al_core.targets import LabelledClips, one_hot
    from al_core.train import fine_tune

    scheme = Scheme(("anger", "happiness", "neutral", "sadness"))
    n = arguments.batch * (arguments.steps + WARM_UP)
    audio = np.random.default_rng(0).standard_normal((n, round(16_000 * arguments.seconds))).astype(np.float32) * 0.1
    clips = tuple(Clip(f"noise-{i}", arguments.seconds, None, partial(audio.__getitem__, i)) for i in range(n))
    train = LabelledClips(clips, one_hot([scheme.classes[i % 4] for i in range(n)], scheme))
    recipe = replace(STEPS[arguments.case], epochs=1, minibatch=arguments.batch)
    moments, last = [], None
    for last in fine_tune(recipe, scheme, encoder, store, train, None):
        if last.stage == "train":
            moments.append(last.seconds)
    assert last is not None
    return {
        "seconds_step": statistics.median(np.diff(moments)[WARM_UP - 1 :]),
        "n_trainable": last.n_trainable,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _tested(arguments: argparse.Namespace, encoder: Any, store: Any) -> dict[str, float]:
    """UAR, or the CCC of each dimension, after equal epochs."""
    from _corpora import fine_tuned

    from al_core.scheme import Dimension

    parts = [one.split(":") for one in arguments.dimensions]
    dimensions = tuple(Dimension(name, float(low), float(high)) for name, low, high in parts)
    recipe = replace(STEPS[arguments.case], epochs=arguments.epochs, patience=arguments.epochs)
    found = fine_tuned(recipe, arguments.manifest, dimensions, encoder, store)
    told = {} if found.classes is None else {"UAR": found.classes.uar}
    return told | {f"CCC of {one.name}": one.ccc for one in found.dimensions}


def _in_a_process(arguments: argparse.Namespace, case: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--case", case, "--encoder", str(arguments.encoder)]
    for name in ("seconds", "batch", "steps", "epochs"):
        command += [f"--{name}", str(getattr(arguments, name))]
    if arguments.manifest is not None:
        command += ["--manifest", str(arguments.manifest)]
    if arguments.dimensions:
        command += ["--dimensions", *arguments.dimensions]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{case}: {told['seconds_step']:.3f} s a step", file=sys.stderr, flush=True)
    return told


if __name__ == "__main__":
    main()
