"""Dawid–Skene and MACE against literal implementations, crowd-kit, and annotators whose matrices are known."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from crowdkit import aggregation as crowd_kit
from numpy.typing import NDArray

from al_core.agreement import DawidSkene, Event, Mace, Votes, estimate, votes_of
from al_core.agreement.dawid_skene import fit as fit_dawid_skene
from al_core.agreement.mace import fit as fit_mace
from al_core.scheme import Scheme

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:crowdkit.*")

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))
Table = list[tuple[int, int, int, float]]


def rows_of(votes: Votes) -> Table:
    columns = (votes.clip, votes.annotator, votes.response, votes.weight)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def literal_start(rows: Table, n: int, c: int) -> list[list[float]]:
    posterior = [[1 / c] * c for _ in range(n)]
    for i, _, k, w in rows:
        if k < c:
            posterior[i][k] += w
    return [[q / sum(row) for q in row] for row in posterior]


def literal_posterior(rows: Table, n: int, prior: list[float], chance) -> list[list[float]]:
    c = len(prior)
    joint = [[math.log(p) for p in prior] for _ in range(n)]
    for i, j, k, w in rows:
        for t in range(c):
            joint[i][t] += w * math.log(chance(j, t, k))
    found = []
    for row in joint:
        odds = [math.exp(value - max(row)) for value in row]
        found.append([value / sum(odds) for value in odds])
    return found


def literal_dawid_skene(votes: Votes, spec: DawidSkene) -> list[list[float]]:
    rows, n, c, a = rows_of(votes), len(votes.clips), len(votes.classes), len(votes.annotators)
    posterior = literal_start(rows, n, c)
    for _ in range(spec.max_iterations):
        counts = [[[0.0] * (c + 1) for _ in range(c)] for _ in range(a)]
        for i, j, k, w in rows:
            for t in range(c):
                counts[j][t][k] += w * posterior[i][t]
        average = []
        for t in range(c):
            row = [sum(counts[j][t][k] for j in range(a)) + spec.smoothing for k in range(c + 1)]
            average.append([value / sum(row) for value in row])
        weight = max(spec.shrinkage, spec.smoothing)
        for j in range(a):
            for t in range(c):
                row = [counts[j][t][k] + weight * average[t][k] for k in range(c + 1)]
                counts[j][t] = [value / sum(row) for value in row]
        prior = [sum(row[t] for row in posterior) + spec.smoothing for t in range(c)]
        prior = [p / sum(prior) for p in prior]
        posterior = literal_posterior(rows, n, prior, lambda j, t, k, m=counts: m[j][t][k])
    return posterior


def literal_mace(votes: Votes, spec: Mace) -> tuple[list[list[float]], list[float]]:
    rows, n, c, a = rows_of(votes), len(votes.clips), len(votes.classes), len(votes.annotators)
    posterior = literal_start(rows, n, c)
    theta, habits = [0.5] * a, [[1 / (c + 1)] * (c + 1) for _ in range(a)]
    for _ in range(spec.max_iterations):
        known, guessed = [0.0] * a, [[0.0] * (c + 1) for _ in range(a)]
        for i, j, k, w in rows:
            named = posterior[i][k] if k < c else 0.0
            knowing = named * theta[j] / (theta[j] + (1 - theta[j]) * habits[j][k])
            known[j] += w * knowing
            guessed[j][k] += w * (1 - knowing)
        for j in range(a):
            total = known[j] + sum(guessed[j])
            theta[j] = (known[j] + spec.smoothing) / (total + 2 * spec.smoothing)
            whole = sum(guessed[j]) + (c + 1) * spec.smoothing
            habits[j] = [(guessed[j][k] + spec.smoothing) / whole for k in range(c + 1)]

        def chance(j: int, t: int, k: int, theta=theta, habits=habits) -> float:
            return theta[j] * (k == t) + (1 - theta[j]) * habits[j][k]

        posterior = literal_posterior(rows, n, [1 / c] * c, chance)
    return posterior, theta


def mixed_events(simulate: "Simulate", seed: int) -> list[Event]:
    """Simulated answers, some unclear, some with intensities."""
    events = simulate(seed, n=40, annotators=5, per_clip=4, unclear=0.1).events
    return [
        Event(e.clip, e.annotator, {e.answer: 2, "neutral": 1}, e.order) if i % 7 == 0 and e.answer else e
        for i, e in enumerate(events)
    ]


@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_equals_the_literal_one(seed: int, shrinkage: float, simulate: "Simulate") -> None:
    votes = votes_of(mixed_events(simulate, seed), SIX)
    spec = DawidSkene(shrinkage=shrinkage, max_iterations=15, tolerance=0)
    assert np.allclose(fit_dawid_skene(votes, spec, {}).posterior, literal_dawid_skene(votes, spec), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_mace_equals_the_literal_one(seed: int, simulate: "Simulate") -> None:
    votes = votes_of(mixed_events(simulate, seed), SIX)
    spec = Mace(max_iterations=15, tolerance=0)
    found, (posterior, theta) = fit_mace(votes, spec, {}), literal_mace(votes, spec)
    assert np.allclose(found.posterior, posterior, atol=1e-9) and np.allclose(found.competences, theta, atol=1e-9)


def as_frame(votes: Votes) -> pd.DataFrame:
    return pd.DataFrame({"task": votes.clip, "worker": votes.annotator, "label": votes.response})


@pytest.mark.parametrize("seed", range(2))
def test_dawid_skene_is_crowd_kit_s_where_nothing_is_shrunk(seed: int, simulate: "Simulate") -> None:
    votes = simulate(seed, n=300, per_clip=5).votes
    theirs = crowd_kit.DawidSkene(n_iter=200, tol=1e-9).fit_predict_proba(as_frame(votes)).sort_index()
    ours = fit_dawid_skene(votes, DawidSkene(shrinkage=0, smoothing=1e-6, tolerance=1e-9), {})
    agreed = ours.posterior.argmax(axis=1) == theirs[list(range(6))].to_numpy().argmax(axis=1)
    assert agreed.mean() > 0.99  # they begin EM from plain shares, we from shares and one vote for all


@pytest.mark.parametrize("seed", range(2))
def test_mace_is_as_right_as_crowd_kit_s_best_of_random_starts(seed: int, simulate: "Simulate") -> None:
    simulated = simulate(seed, n=150, per_clip=5)
    theirs = crowd_kit.MACE(method="em", n_restarts=2, n_iter=40).fit_predict(as_frame(simulated.votes)).sort_index()
    ours = fit_mace(simulated.votes, Mace(), {}).posterior.argmax(axis=1)
    assert (ours == simulated.truth).mean() >= (theirs.to_numpy() == simulated.truth).mean() - 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_never_falls(seed: int, simulate: "Simulate") -> None:
    votes = simulate(seed, n=150, per_clip=4, unclear=0.05).votes
    for fit, spec in ((fit_dawid_skene, DawidSkene), (fit_mace, Mace)):
        extra = {"shrinkage": 0.0} if spec is DawidSkene else {}
        path = [
            fit(votes, spec(smoothing=1e-9, max_iterations=m, tolerance=0, **extra), {}).log_likelihood
            for m in range(1, 25)
        ]
        assert (np.diff(path) > -1e-6).all()


def matrix_error(found: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    """Mean total variation between the rows of two stacks of matrices, 0 to 1."""
    return float(np.abs(found - known).sum(axis=2).mean() / 2)


def counted_with_truth(votes: Votes, truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """The matrices somebody would count who knows every class: no method can do much better."""
    counts = np.zeros((len(votes.annotators), 6, 7))
    np.add.at(counts, (votes.annotator, truth[votes.clip], votes.response), 1)
    return counts / counts.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("seed", range(4))
def test_eight_annotators_matrices_come_back(seed: int, simulate: "Simulate") -> None:
    simulated = simulate(seed, n=2000, unclear=0.03)
    made = estimate(simulated.votes, DawidSkene())
    assert made.annotators is not None
    error = matrix_error(made.annotators.confusions, simulated.confusions)
    floor = matrix_error(counted_with_truth(simulated.votes, simulated.truth), simulated.confusions)
    assert error < 0.05
    assert error < 1.25 * floor


@pytest.mark.parametrize("seed", range(3))
def test_few_answers_an_annotator_gain_from_the_average_one(seed: int, simulate: "Simulate") -> None:
    simulated = simulate(seed, n=120, per_clip=4)
    errors = {}
    for shrinkage in (0.0, 5.0):
        made = estimate(simulated.votes, DawidSkene(shrinkage=shrinkage))
        assert made.annotators is not None
        errors[shrinkage] = matrix_error(made.annotators.confusions, simulated.confusions)
    assert errors[5.0] < errors[0.0]


def test_an_annotator_who_always_says_the_same_is_not_believed(simulate: "Simulate") -> None:
    events = simulate(0, n=200, annotators=4, per_clip=4, right=(0.7, 0.9)).events
    events += [Event(f"clip {i:05d}", "parrot", "neutral") for i in range(200)]
    votes = votes_of(events, SIX)
    for spec in (DawidSkene(), Mace()):
        annotators = estimate(votes, spec).annotators
        assert annotators is not None
        competence = dict(zip(annotators.keys, annotators.competences, strict=True))
        assert competence["parrot"] < 0.3 and min(v for k, v in competence.items() if k != "parrot") > 0.5


def test_known_clips_teach_who_is_right() -> None:
    """Two camps contradict each other on every clip; a fifth of known answers decides whom to believe."""
    classes = SIX.classes[:2]
    events = []
    for i in range(100):
        truth = i % 2
        events += [Event(f"{i:03d}", f"right {a}", classes[truth]) for a in range(2)]
        events += [Event(f"{i:03d}", f"wrong {a}", classes[1 - truth]) for a in range(2)]
    known = {f"{i:03d}": classes[i % 2] for i in range(20)}
    made = estimate(votes_of(events, Scheme(classes)), DawidSkene(), known)
    assert made.labels == tuple(classes[i % 2] for i in range(100))
