"""Who does not know: each decision, what moves it, and the same answers spent by ActiveLab."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cleanlab.multiannotator import get_active_learning_scores, get_label_quality_multiannotator

from al_core.agreement import (
    AgreementError,
    DawidSkene,
    Decision,
    Event,
    Majority,
    Routing,
    estimate,
    route,
    votes_of,
)
from al_core.agreement.answers import sorted_votes
from al_core.agreement.listeners import over_half
from al_core.scheme import Scheme

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Cremad, Simulate

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))


def answered(**clips: str) -> list[Event]:
    """`answered(torn="AF")`: one annotator a letter, A anger, D disgust, F fear, H happiness, N neutral, S sadness."""
    by_letter = {name[0].upper(): name for name in SIX.classes}
    return [
        Event(clip, f"annotator {i}", by_letter[letter])
        for clip, letters in clips.items()
        for i, letter in enumerate(letters)
    ]


def usual(n: int = 60) -> list[Event]:
    """Clips on which four of five annotators agree, every class as often: they set what is usual."""
    letters = "ADFHNS"
    return answered(**{f"usual {i:02d}": letters[i % 6] * 4 + letters[(i + 1 + i // 6) % 6] for i in range(n)})


def decided(rule: Routing, epistemic: float | None = None, **clips: str) -> dict[str, Decision]:
    made = estimate(votes_of([*usual(), *answered(**clips)], SIX), Majority())
    keys = [key for key in clips if clips[key]] + [key for key in clips if not clips[key]]
    routes = route(made, rule, keys, None if epistemic is None else np.full(len(keys), epistemic))
    return dict(zip(routes.clips, routes.decisions, strict=True))


def test_each_clip_goes_where_its_answers_send_it() -> None:
    told = decided(
        Routing(limit=6),
        clear="AAAA",
        torn="AF",
        fresh="",
        conflict="AAAFFF",
        everything="AADDFFHHNNSS",
        leaning="AAAAAF",
    )
    assert told["clear"] is Decision.SETTLED
    assert told["torn"] is Decision.ASK
    assert told["fresh"] is Decision.NEW
    assert told["conflict"] is Decision.ADJUDICATE
    assert told["everything"] is Decision.AMBIGUOUS
    assert told["leaning"] is Decision.SETTLED


def test_nobody_is_asked_beyond_the_limit() -> None:
    assert decided(Routing(limit=3), torn="AF")["torn"] is Decision.ASK
    assert decided(Routing(limit=2), torn="AF")["torn"] is not Decision.ASK


def test_what_the_model_knows_already_is_not_bought_again() -> None:
    assert decided(Routing(), epistemic=1.0, torn="AF")["torn"] is Decision.ASK
    assert decided(Routing(), epistemic=0.0, torn="AF")["torn"] is Decision.AMBIGUOUS
    assert decided(Routing(limit=6), epistemic=0.1, conflict="AAAFFF")["conflict"] is Decision.AMBIGUOUS


def test_the_model_s_opinion_moves_no_confidence_and_no_label(simulate: "Simulate") -> None:
    made = estimate(simulate(0, n=50, per_clip=3).votes, Majority())
    one, other = route(made, Routing(), epistemic=np.zeros(50)), route(made, Routing(), epistemic=np.ones(50))
    assert (one.confidence == other.confidence).all() and (one.ambiguity == other.ambiguity).all()


def test_new_clips_are_ranked_by_what_the_model_does_not_know_among_those_worth_asking_again() -> None:
    made = estimate(votes_of([*usual(), *answered(torn="AF", clear="AAAAA")], SIX), Majority())
    keys = ["known", "unknown", "torn", "clear"]
    routes = route(made, Routing(), keys, np.array([0.01, 0.9, 1.0, 1.0]))
    assert set(routes.next(2)) == {"unknown", "torn"}
    assert routes.next(10)[-1] == "known" and "clear" not in routes.next(10)
    assert routes.value[1] > routes.value[0] > 0


def test_a_known_class_is_settled_whatever_was_answered() -> None:
    made = estimate(votes_of([*usual(), *answered(torn="AF")], SIX), Majority(), {"torn": "fear"})
    assert route(made, Routing(), ["torn"]).decisions == (Decision.SETTLED,)


@pytest.mark.parametrize("estimator", [Majority(), DawidSkene()], ids=lambda each: each.kind)
def test_the_figures_are_what_their_formulas_say(estimator: Majority | DawidSkene, simulate: "Simulate") -> None:
    made = estimate(simulate(1, n=80, per_clip=3).votes, estimator)
    routes = route(made, Routing(sure=1.0))
    for i, label in enumerate(made.labels):
        half = over_half((made.counts[i] + made.listeners)[None])[0]
        own = SIX.index(label) if label is not None else int(made.posterior[i].argmax())
        assert routes.ambiguity[i] == pytest.approx(max(0, 1 - half.sum()), abs=1e-6)
        if routes.confidence[i] < 1:
            assert routes.mending[i] == pytest.approx(half.sum() - half[own], abs=1e-6)
        assert routes.value[i] == pytest.approx(
            routes.gain[i] if routes.decisions[i] is Decision.ASK else 0.0, abs=1e-12
        )


@pytest.mark.parametrize("wrong", [np.ones(3), np.full(2, np.nan)], ids=["too many", "not a number"])
def test_uncertainty_that_does_not_fit_is_refused(wrong: np.ndarray) -> None:
    made = estimate(votes_of(answered(a="AA", b="AF"), SIX), Majority())
    with pytest.raises(AgreementError, match="finite numbers"):
        route(made, Routing(), epistemic=wrong)


def test_stopping_when_sure_saves_answers_and_keeps_the_labels(simulate: "Simulate") -> None:
    """Answers asked for one by one until the rule stops, against seven for every clip."""
    simulated = simulate(3, n=300, right=(0.5, 0.9))
    by_clip: dict[str, list[Event]] = {}
    for event in simulated.events:
        by_clip.setdefault(event.clip, []).append(event)
    rule, asked = Routing(sure=0.95, limit=7), dict.fromkeys(by_clip, 1)
    for _ in range(10):
        given = [event for key, n in asked.items() for event in by_clip[key][:n]]
        made = estimate(votes_of(given, SIX), DawidSkene())
        again = [k for k, d in zip(made.clips, route(made, rule).decisions, strict=True) if d is Decision.ASK]
        for key in again:
            asked[key] += 1
        if not again:
            break
    full = estimate(votes_of([e for events in by_clip.values() for e in events[:7]], SIX), DawidSkene())
    truth = [SIX.classes[t] for t in simulated.truth]
    accuracy, whole = (np.mean([a == b for a, b in zip(m.labels, truth, strict=True)]) for m in (made, full))
    assert max(asked.values()) <= 7
    assert sum(asked.values()) < 0.65 * 7 * 300
    assert accuracy > whole - 0.04


def test_at_equal_cost_labels_are_no_worse_than_active_lab_s_on_real_votes(cremad: "Cremad") -> None:
    """900 clips, votes in random order by 24 made-up listeners; one answer each, then as many again where it pays."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(cremad.counts), 900, replace=False)
    counts = cremad.counts[chosen]
    order = [rng.permutation(np.repeat(np.arange(6), row)) for row in counts]
    listener = [rng.permutation(24)[: len(votes)] for votes in order]
    winners = counts == counts.max(axis=1, keepdims=True)

    def table(taken: np.ndarray) -> np.ndarray:
        matrix = np.full((900, 24), np.nan)
        for i, n in enumerate(taken):
            matrix[i, listener[i][:n]] = order[i][:n]
        return matrix

    def ours(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        clip, annotator = np.nonzero(~np.isnan(matrix))
        response = matrix[clip, annotator].astype(np.int64)
        keys, ears = [f"{i:03d}" for i in range(900)], [f"{a:02d}" for a in range(24)]
        made = estimate(sorted_votes(SIX, keys, ears, clip, annotator, response), Majority())
        return route(made, Routing(sure=1, limit=20, price=0)).value, made.posterior.argmax(axis=1)

    def theirs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rates = np.bincount(matrix[~np.isnan(matrix)].astype(int), minlength=6) / (~np.isnan(matrix)).sum()
        guess = np.tile(rates, (900, 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sure, _ = get_active_learning_scores(matrix, guess)
            if (~np.isnan(matrix)).sum(axis=1).max() == 1:
                return -sure, np.nanargmax(~np.isnan(matrix), axis=1)
            quality = get_label_quality_multiannotator(matrix, guess, verbose=False)["label_quality"]
        return -sure, quality["consensus_label"].to_numpy()

    right = {}
    for name, policy in (("ours", ours), ("ActiveLab", theirs)):
        taken = np.ones(900, dtype=int)
        for _ in range(6):
            worth = np.where(taken < counts.sum(axis=1), policy(table(taken))[0], -np.inf)
            taken[np.argsort(-worth, kind="stable")[:150]] += 1
        assert taken.sum() == 1800
        right[name] = winners[np.arange(900), policy(table(taken))[1]].mean()
    assert right["ours"] >= right["ActiveLab"]
