"""Do labels come out right, is agreement measured right, and does routing spend answers better than ActiveLab?

CREMA-D's votes on voices are replayed (`_votes.py`): who voted is not published, so listeners are made up and equal.
ActiveLab (cleanlab) and we start from the same one answer a clip and buy equally many more, in the same order of votes
a seed, and no model is there for either. "Majority" is that of all published votes (its ties left out), "intended" what
the actor meant. The two disagree, because voices hide emotion, so each estimator has a truth of its own: majority finds
what most listeners hear, Dawid–Skene and MACE the class behind their answers. ± is the standard error over seeds.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import krippendorff
import numpy as np
from _table import Row, finish, parser
from _votes import (
    SCHEME,
    Accuracies,
    Corpus,
    Floats,
    Ints,
    Policy,
    Replay,
    by_active_lab,
    by_routing,
    dealt_out,
    evenly,
    labels_by,
    labels_by_cleanlab,
    spent,
    stopped,
)

from al_core.agreement import DawidSkene, Estimator, Mace, Majority, Routing, Votes, estimate
from al_core.agreement.alpha import nominal
from al_core.agreement.answers import sorted_votes

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
VOTES = SHARED / "data" / "cremad-votes" / "voice_votes.csv"
PUBLISHED = "published for one listener, voice only: 40.9, Cao et al. 2014"
ESTIMATORS: tuple[Estimator, ...] = (Majority(), DawidSkene(), Mace())
COMPARED = (("ActiveLab", "its own"), ("ActiveLab", None), ("evenly", None))  # None: labelled like ours


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    short = arguments.short
    rows = matrices(300 if short else 2000, 3 if short else 10) + speed(100_000 if short else 1_000_000)
    if not VOTES.is_file():
        print(f"no votes at {VOTES}: set AFTERLOOP_SHARED to the folder that holds data/")
    else:
        corpus = Corpus.read(VOTES)
        rows += recovered(corpus, 1 if short else 5) + agreement(corpus)
        if short:
            corpus = corpus.some(500, 0)
        rows += stopping(corpus, 1 if short else 5)
        rows += routed(corpus, 1, (3.0,)) if short else routed(corpus, 5, (2.0, 3.0, 4.0))
    finish("agreement", rows, arguments.json)


def matrices(n: int, n_seeds: int) -> list[Row]:
    """Eight annotators of known matrices; the yardstick is counting their answers with every class known."""
    errors, floors = [], []
    for seed in range(n_seeds):
        truth, known, votes = eight_annotators(seed, n)
        annotators = estimate(votes, DawidSkene()).annotators
        assert annotators is not None, "Dawid–Skene has matrices"
        counted = np.zeros(known.shape)
        np.add.at(counted, (votes.annotator, truth[votes.clip], votes.response), 1)
        errors.append(distance(annotators.confusions[:, :, :-1], known))
        floors.append(distance(counted / counted.sum(axis=2, keepdims=True), known))
    case = f"8 annotators × {n} clips, {n_seeds} seeds: confusion matrices"
    return [
        Row(
            f"{case}, total variation ± {error(errors):.4f}; yardstick: counted with the truth",
            float(np.mean(errors)),
            "0 to 1",
            float(np.mean(floors)),
            target=0.7,
            less_is_better=True,
        ),
        Row(f"{case}, worst seed", max(errors), "0 to 1", target=0.05 if n >= 2000 else None, less_is_better=True),
    ]


def eight_annotators(seed: int, n: int) -> tuple[Ints, Floats, Votes]:
    """(n,) classes, (8, 6, 6) matrices with 30 to 90 % on the diagonal, and an answer of each to every clip."""
    rng, c = np.random.default_rng(seed), len(SCHEME)
    known = rng.dirichlet(np.ones(c), (8, c))
    for t in range(c):
        known[:, t, t] = 0
        right = rng.uniform(0.3, 0.9, 8)
        known[:, t] *= ((1 - right) / known[:, t].sum(axis=1))[:, None]
        known[:, t, t] = right
    truth = rng.choice(c, n, p=[0.17, 0.13, 0.12, 0.08, 0.35, 0.15])
    clip, annotator = np.repeat(np.arange(n), 8), np.tile(np.arange(8), n)
    response = (known[annotator, truth[clip]].cumsum(axis=1) > rng.random((8 * n, 1))).argmax(axis=1)
    keys, names = [f"{i:07d}" for i in range(n)], [f"{a}" for a in range(8)]
    return truth, known, sorted_votes(SCHEME, keys, names, clip, annotator, response)


def speed(n_answers: int) -> list[Row]:
    """Seconds from votes to labels; five answers a clip, 200 annotators."""
    rng, n = np.random.default_rng(0), n_answers // 5
    truth, clip = rng.integers(0, len(SCHEME), n), np.repeat(np.arange(n), 5)
    annotator = (rng.integers(0, 200, n)[:, None] + np.arange(5)).ravel() % 200
    right = rng.random(5 * n) < rng.uniform(0.4, 0.9, 200)[annotator]
    response = np.where(right, truth[clip], rng.integers(0, len(SCHEME), 5 * n))
    keys, names = [f"{i:07d}" for i in range(n)], [f"{a:03d}" for a in range(200)]
    votes = sorted_votes(SCHEME, keys, names, clip, annotator, response)
    return [
        Row(
            f"{n_answers:,} annotations: {spec.kind}",
            timed(lambda spec=spec: estimate(votes, spec)),
            "s",
            target=30.0,
            less_is_better=True,
        )
        for spec in ESTIMATORS
    ]


def recovered(corpus: Corpus, n_seeds: int) -> list[Row]:
    """How often labels are the intended emotion; a dispute counts as wrong."""
    single = 100 * corpus.counts[np.arange(len(corpus.counts)), corpus.intended].sum() / corpus.counts.sum()
    rows = [Row(f"CREMA-D, one vote is the intended emotion ({PUBLISHED})", float(single), "%")]
    for spec in ESTIMATORS:
        intended, agreed, disputes = [], [], []
        for seed in range(n_seeds if spec.kind != "majority" else 1):
            labels = np.array(
                [-1 if x is None else SCHEME.index(x) for x in estimate(dealt_out(corpus, seed), spec).labels]
            )
            right = corpus.accuracy(labels)
            intended.append(right["intended"])
            agreed.append(right["majority"])
            disputes.append(100 * float((labels < 0).mean()))
        seeds = f", {len(intended)} dealings ± {error(intended):.1f}" if len(intended) > 1 else ""
        case = f"CREMA-D, {spec.kind} of all votes{seeds}"
        rows.append(Row(f"{case}: the intended emotion", float(np.mean(intended)), "%"))
        rows.append(Row(f"{case}: the majority where there is one", float(np.mean(agreed)), "%"))
        rows.append(Row(f"{case}: disputes", float(np.mean(disputes)), "%"))
    return rows


def agreement(corpus: Corpus) -> list[Row]:
    """Alpha of all votes against the package, and what the interval costs."""
    ours = nominal(corpus.counts)
    assert ours is not None, "six classes are in use"
    theirs = krippendorff.alpha(value_counts=corpus.counts, level_of_measurement="nominal")
    resampled = timed(lambda: nominal(corpus.counts))
    package = 1000 * timed(lambda: krippendorff.alpha(value_counts=corpus.counts, level_of_measurement="nominal"))
    return [
        Row(f"CREMA-D, nominal alpha [{ours.low:.3f}, {ours.high:.3f}]", ours.value, "", float(theirs)),
        Row("… difference from the package", abs(ours.value - float(theirs)), "", target=1e-9, less_is_better=True),
        Row("… with 1000 resamples; yardstick: 1000 calls of the package", resampled, "s", package, 10, True),
    ]


def routed(corpus: Corpus, n_seeds: int, budgets: tuple[float, ...]) -> list[Row]:
    """Label accuracy at equal numbers of answers, ours beside ActiveLab's and an even overlap's."""
    by_kind = {spec.kind: lambda replay, spec=spec: labels_by(replay, spec) for spec in ESTIMATORS}

    def runs(policy: Policy, labellers: Mapping[str, Callable[[Replay], Ints]]) -> list[Accuracies]:
        return [spent(corpus, seed, policy, budgets, labellers) for seed in range(n_seeds)]

    peers = {
        "ActiveLab": runs(by_active_lab, {"its own": labels_by_cleanlab, **by_kind}),
        "evenly": runs(evenly, by_kind),
    }
    rows = []
    for spec in ESTIMATORS:
        ours = runs(by_routing(spec), {spec.kind: by_kind[spec.kind]})
        for budget, which, peer in product(budgets, ("majority", "intended"), COMPARED):
            name, labels = peer[0], peer[1] or spec.kind
            mine = [run[budget, spec.kind][which] for run in ours]
            theirs = [run[budget, labels][which] for run in peers[name]]
            gain = np.subtract(mine, theirs)
            spread = f" {gain.mean():+.1f} ± {error(gain):.1f}" if n_seeds > 1 else ""
            aim = which == ("majority" if spec.kind == "majority" else "intended") and labels == "its own"
            case = f"{len(corpus.counts)} clips × {budget:g}, {spec.kind}: {which}; yardstick: {name}, {labels} labels"
            rows.append(
                Row(case + spread, float(np.mean(mine)), "%", float(np.mean(theirs)), target=1.0 if aim else None)
            )
    return rows


def stopping(corpus: Corpus, n_seeds: int) -> list[Row]:
    """Asking until sure, up to seven answers, beside the same number of answers spread evenly."""
    answers, mine, even = [], [], []
    for seed in range(n_seeds):
        replay = stopped(corpus, seed, Routing())
        answers.append(float(replay.taken.mean()))
        mine.append(corpus.accuracy(labels_by(replay, Majority()))["majority"])
        label = {"even": lambda replay: labels_by(replay, Majority())}
        even.append(spent(corpus, seed, evenly, (answers[-1],), label)[answers[-1], "even"]["majority"])
    gain = np.subtract(mine, even)
    case = f"{len(corpus.counts)} clips, asked until 90 % sure"
    return [
        Row(f"{case}: answers a clip (limit 7)", float(np.mean(answers)), ""),
        Row(
            f"{case}: majority; yardstick: as many answers spread evenly {gain.mean():+.1f} ± {error(gain):.1f}",
            float(np.mean(mine)),
            "%",
            float(np.mean(even)),
            target=1.0,
        ),
    ]


def distance(found: Floats, known: Floats) -> float:
    """Mean total variation between the rows of two stacks of matrices."""
    return float(np.abs(found - known).sum(axis=2).mean() / 2)


def error(values: Sequence[float] | Floats) -> float:
    """Standard error of a mean; 0 of a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
