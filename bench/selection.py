"""How fast is a batch chosen, and in how much memory, beside modAL, scikit-activeml and small-text on the same array?

Made-up embeddings of real shapes: 768 wide, 1,000 clusters in 48 dimensions and a little noise in all 768, which is
harder for the lazy searches than 768 independent dimensions.

- core-set and BADGE: 200 of 100,000 × 768 float32. The yardstick is reading that array 200 times, the least a running
  minimum costs; and scikit-activeml on the same array, or where it would hold the gradients on a part of it; and
  small-text on both, which compares every clip with every chosen one again for each pick, so it is stopped after two
  minutes, and the ratio then is the least it can be where nothing else runs. Its BADGE leaves the guess out of the
  gradient (the factor is −p), which costs the same and chooses differently. Its lightweight core-set is a draw by
  distance to the mean and has no counterpart here.
- core-set in five shards, with one candidate a pick and with twenty, against the same search over all clips: seconds,
  and the covering radius, whose ratio says how much coverage is given up.
- ranked batch: 200 of 10,000 with 1,000 labelled. The yardstick is modAL, and the picks must be modAL's.
- 500 of 1,000,000 × 768 float16, memory-mapped, each strategy in a process of its own: seconds, and the largest
  resident memory, mapped pages and libraries included; and the same at a tenth, because cost must not outgrow the pool.

`--short` does the same on 4,000, 2,000 and 20,000 clips, the last for core-set alone.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import Row, finish, parser
from numpy.random import default_rng

from al_core.loop import pool_view
from al_core.pool import PoolView
from al_core.strategies.coverage_radius import coverage_radius
from al_core.strategies.query import query
from al_core.strategies.specs import Badge, CoreSet, RankedBatch, Sharded, parse_strategy

WIDTH, LATENT, CLUSTERS, CLASSES = 768, 48, 1000, 8
AT_SCALE = ("margin", "core_set", "badge", "typiclust", "coverage_then_margin")
MOST_S, MOST_GB = 180.0, 4.0
GRADIENTS_OF = 5000  # clips whose gradients scikit-activeml's and small-text's BADGE materialise, 0.25 GB
SHARDS = 5
PATIENCE_S = 120.0  # with small-text, a call


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--child", nargs=3, help=argparse.SUPPRESS)  # strategy, array, picks
    told = arguments.parse_args()
    if told.child:
        name, array, picks = told.child
        print(json.dumps(alone(name, Path(array), int(picks))))
        return
    rows = [
        *searches(4_000 if told.short else 100_000, 20 if told.short else 200),
        *ranked(*((2_000, 200, 20) if told.short else (10_000, 1_000, 200))),
        *(
            at_scale(20_000, 50, ("core_set",))
            if told.short
            else at_scale(1_000_000, 500, ("z-normalising", *AT_SCALE))
        ),
    ]
    finish("selection", rows, told.json)


def searches(n: int, picks: int) -> list[Row]:
    """k-centre greedy and k-means++ on an array that fits into memory."""
    pool = a_pool(embedded(n))
    read = timed(lambda: [torch.from_numpy(pool.embeddings).sum() for _ in range(picks)])
    case = f"{picks} of {n:,} × {WIDTH}"
    rows = []
    for name, strategy in (("core-set", CoreSet()), ("BADGE", Badge())):
        seconds = timed(lambda strategy=strategy: query(strategy, pool, picks, default_rng(0)))
        told = f"{name}, {case}, against reading it {picks} times"
        rows.append(Row(told, seconds, "s", read, target=1 / 1.5, less_is_better=True))
    theirs = timed(lambda: their_core_set(pool, picks))
    rows.append(Row(f"core-set, {case}, against scikit-activeml", rows[0].value, "s", theirs, less_is_better=True))
    part = a_pool(pool.embeddings[: min(n, GRADIENTS_OF)])
    ours = timed(lambda: query(Badge(), part, picks, default_rng(0)))
    theirs = timed(lambda: their_badge(part, picks))
    told = f"BADGE, {picks} of {len(part):,} × {WIDTH}, against scikit-activeml"
    rows.append(Row(told, ours, "s", theirs, less_is_better=True))
    return [*rows, *beside_small_text(pool, part, picks, rows[0].value, ours), *in_shards(pool, picks, rows[0].value)]


def beside_small_text(pool: PoolView, part: PoolView, picks: int, core_set_s: float, badge_s: float) -> list[Row]:
    """Core-set on the whole array, ours in `core_set_s`, and on a part; BADGE on the part, ours in `badge_s`."""
    rows = [small_text_row("core-set", pool, picks, core_set_s, lambda: small_text_core_set(pool, picks))]
    if len(part) < len(pool):
        part_s = timed(lambda: query(CoreSet(), part, picks, default_rng(0)))
        rows.append(small_text_row("core-set", part, picks, part_s, lambda: small_text_core_set(part, picks)))
    return [*rows, small_text_row("BADGE", part, picks, badge_s, lambda: small_text_badge(part, picks))]


def small_text_row(name: str, pool: PoolView, picks: int, ours: float, act: Callable[[], Any]) -> Row:
    """Ours against theirs, or against the patience with them."""
    theirs = timed_at_most(PATIENCE_S, act)
    stopped = "" if theirs is not None else f", stopped after {PATIENCE_S:.0f} s"
    case = f"{name}, {picks} of {len(pool):,} × {WIDTH}, against small-text{stopped}"
    return Row(case, ours, "s", PATIENCE_S if theirs is None else theirs, less_is_better=True)


def small_text_core_set(pool: PoolView, picks: int) -> Any:
    from small_text.query_strategies import greedy_coreset

    first = query(CoreSet(), pool, 1, default_rng(0)).positions  # theirs needs a labelled clip
    return greedy_coreset(pool.embeddings, np.arange(len(pool)), first, picks - 1, distance_metric="euclidean")


def small_text_badge(pool: PoolView, picks: int) -> Any:
    from small_text.integrations.pytorch.query_strategies import BADGE

    own = np.arange(len(pool))
    return BADGE(CLASSES).sample(None, None, own, own[:0], own[:0], picks, pool.embeddings, pool.probabilities)


def in_shards(pool: PoolView, picks: int, whole_s: float) -> list[Row]:
    """Core-set in shards against core-set, which took `whole_s`."""
    whole = coverage_radius(pool, query(CoreSet(), pool, picks, default_rng(0)).positions)
    rows = []
    for per_pick in (1, 20):
        strategy = Sharded(CoreSet(), shard_rows=-(-len(pool) // SHARDS), candidates_per_pick=per_pick)
        began = time.perf_counter()
        chosen = query(strategy, pool, picks, default_rng(0)).positions
        seconds = time.perf_counter() - began
        case = f"core-set in {SHARDS} shards, {per_pick} a pick, {picks} of {len(pool):,} × {WIDTH}, against in one"
        rows.append(Row(case, seconds, "s", whole_s, less_is_better=True))
        rows.append(Row(f"{case}: radius", coverage_radius(pool, chosen), "", whole, less_is_better=True))
    return rows


def their_core_set(pool: PoolView, picks: int) -> Any:
    from skactiveml.pool._core_set import k_greedy_center

    first = query(CoreSet(), pool, 1, default_rng(0)).positions  # theirs needs a labelled clip
    y = np.full(len(pool), np.nan)
    y[first] = 0
    return k_greedy_center(pool.embeddings, y, batch_size=picks - 1, random_state=0)


def their_badge(pool: PoolView, picks: int) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import Badge as TheirBadge
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Knows(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
        """Predicts what the pool predicts."""

        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Knows":
            self.classes_ = np.arange(CLASSES)
            return self

        def predict_proba(self, X: Any) -> Any:
            return pool.probabilities

    knows = SklearnClassifier(Knows(), classes=list(range(CLASSES)))
    y = np.full(len(pool), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TheirBadge(random_state=0).query(pool.embeddings, y, knows, fit_clf=True, batch_size=picks)


def ranked(n: int, labelled: int, picks: int) -> list[Row]:
    """Ranked batch beside modAL's own function, called with the attributes it reads."""
    from modAL.batch import ranked_batch

    together = embedded(n + labelled)
    pool = a_pool(together[:n], together[n:])

    class Bare:
        X_training = pool.labelled_embeddings
        on_transformed = False

    assert pool.probabilities is not None
    uncertainty = 1 - pool.probabilities.astype(np.float64).max(axis=1)
    theirs: list[Any] = []
    their_s = timed(lambda: theirs.append(ranked_batch(Bare(), pool.embeddings, uncertainty, picks, "euclidean", None)))
    ours: list[Any] = []
    seconds = timed(lambda: ours.append(query(RankedBatch(), pool, picks, default_rng(0))))
    same = float(np.mean(ours[0].positions == theirs[0][0]))
    case = f"ranked batch, {picks} of {n:,} × {WIDTH}, {labelled:,} labelled"
    return [
        Row(f"{case}, against modAL", seconds, "s", their_s, target=20.0, less_is_better=True),
        Row(f"{case}: share of picks that are modAL's", same, "", target=1.0),
    ]


def at_scale(n: int, picks: int, names: tuple[str, ...]) -> list[Row]:
    """Each strategy on a memory-mapped array of half precision, in its own process."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        large, small = (written(Path(folder) / f"{size}.f16", size) for size in (n, n // 10))
        for name in names:
            told = in_a_child(name, large, picks)
            case = f"{name}, {picks} of {n:,} × {WIDTH} float16"
            rows.append(Row(case, told["seconds"], "s", target=MOST_S, less_is_better=True))
            rows.append(Row(f"{case}: resident", told["gb"], "GB", target=MOST_GB, less_is_better=True))
            tenth = in_a_child(name, small, picks)["seconds"]
            rows.append(
                Row(f"{case}, against ten times a tenth of the pool", told["seconds"], "s", 10 * tenth, None, True)
            )
    return rows


def in_a_child(name: str, array: Path, picks: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, str(array), str(picks)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return told


def alone(name: str, array: Path, picks: int) -> dict[str, float]:
    """Seconds of one selection, and the largest resident memory of this process, in GB."""
    mapped = np.memmap(array, np.float16, "r").reshape(-1, WIDTH)
    pool = a_pool(mapped)
    labelled = np.empty((0, WIDTH), np.float16)
    if name == "z-normalising":
        seconds = timed(
            lambda: pool_view(mapped, pool.probabilities, labelled, pool.labelled_classes, CLASSES, pool.durations_s)
        )
    else:
        strategy = parse_strategy(name)
        if name == "coverage_then_margin":  # its second half: the first is typiclust
            known = embedded(CLASSES)
            pool = a_pool(mapped, known)
        seconds = timed(lambda: query(strategy, pool, picks, default_rng(0)))
    return {"seconds": seconds, "gb": most_resident_gb()}


def most_resident_gb() -> float:
    """Largest resident memory of this program so far; `getrusage` would count the parent it was forked from."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def embedded(n: int, seed: int = 0) -> Any:
    """(n, 768) float32, z-normalised as far as columns of a mixture are."""
    shape = default_rng(1)
    centres = 1.5 * shape.normal(size=(CLUSTERS, LATENT))
    mix = shape.normal(size=(LATENT, WIDTH)).astype(np.float32) / np.sqrt(LATENT * 3.25)
    rng = default_rng([seed, n])
    latent = centres[rng.integers(CLUSTERS, size=n)] + rng.normal(size=(n, LATENT))
    noise = rng.standard_normal((n, WIDTH), dtype=np.float32)
    return latent.astype(np.float32) @ mix + np.float32(0.3) * noise


def written(path: Path, n: int) -> Path:
    """The same as float16 on disk, block by block."""
    with path.open("wb") as file:
        for start in range(0, n, 20_000):
            embedded(min(20_000, n - start), seed=start + 1).astype(np.float16).tofile(file)
    return path


def a_pool(embeddings: Any, labelled: Any = None) -> PoolView:
    """A pool with made-up probabilities, many of them sure of themselves."""
    rng = default_rng(2)
    known = np.empty((0, WIDTH), np.float32) if labelled is None else labelled
    return PoolView(
        embeddings=embeddings,
        probabilities=rng.dirichlet(np.full(CLASSES, 0.5), size=len(embeddings)).astype(np.float32),
        labelled_embeddings=known,
        labelled_classes=np.arange(len(known)) % CLASSES,
        n_classes=CLASSES,
        durations_s=np.ones(len(embeddings), np.float32),
    )


def timed(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def timed_at_most(limit_s: float, act: Callable[[], Any]) -> float | None:
    """Seconds it took, or None where it was stopped: between two calls into numpy, so a little after the limit."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return timed(act)
    except TimeoutError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
