import math

import numpy as np
import pytest

from al_core.agreement import AgreementError, EvaluatorWeighted, Rating, Ratings, ratings_of, weigh
from al_core.scheme import Dimension

AROUSAL = Dimension("arousal", 1, 9)
BOTH = pytest.mark.parametrize("leave_one_out", [True, False], ids=["of the others", "as published"])


def simulated(
    seed: int, n: int = 60, noises: tuple[float, ...] = (0.3, 0.5, 1.0, 3.0), rated: float = 0.7
) -> tuple[np.ndarray, Ratings]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(2, 8, n)
    events = [
        Rating(f"{i:03d}", f"annotator {a}", float(np.clip(x + rng.normal(0, noise), 1, 9)))
        for i, x in enumerate(truth)
        for a, noise in enumerate(noises)
        if a == 0 or rng.random() < rated
    ]
    return truth, ratings_of(events, AROUSAL)


def literal(ratings: Ratings, leave_one_out: bool) -> tuple[list[float], list[float], list[float]]:
    rows = list(zip(ratings.clip.tolist(), ratings.annotator.tolist(), ratings.value.tolist(), strict=True))
    by_clip: dict[int, dict[int, float]] = {}
    for i, j, x in rows:
        by_clip.setdefault(i, {})[j] = x
    weights: list[float | None] = []
    for j in range(len(ratings.annotators)):
        own, mean = [], []
        for given in by_clip.values():
            if j in given and len(given) > 1:
                others = [x for k, x in given.items() if k != j] if leave_one_out else list(given.values())
                own.append(given[j])
                mean.append(sum(others) / len(others))
        defined = len(own) >= 3 and np.std(own) > 1e-9 and np.std(mean) > 1e-9
        weights.append(max(0.0, float(np.corrcoef(own, mean)[0, 1])) if defined else None)
    known = [w for w in weights if w is not None]
    filled = [(sum(known) / len(known) if known else 1.0) if w is None else w for w in weights]
    values, spreads = [], []
    for _, given in sorted(by_clip.items()):
        w = {j: filled[j] for j in given}
        if sum(w.values()) == 0:
            w = dict.fromkeys(given, 1.0)
        v1, v2 = sum(w.values()), sum(x * x for x in w.values())
        value = sum(w[j] * x for j, x in given.items()) / v1
        values.append(value)
        square = sum(w[j] * (x - value) ** 2 for j, x in given.items())
        heard = sum(x > 0 for x in w.values())
        spreads.append(math.sqrt(square / (v1 - v2 / v1)) if heard > 1 else math.nan)
    return values, spreads, filled


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_values_spreads_and_weights_equal_the_literal_ones(seed: int, leave_one_out: bool) -> None:
    _, ratings = simulated(seed)
    made = weigh(ratings, EvaluatorWeighted(leave_one_out=leave_one_out))
    values, spreads, weights = literal(ratings, leave_one_out)
    assert np.allclose(made.values, values) and np.allclose(made.weights, weights)
    assert np.allclose(made.spreads, spreads, equal_nan=True)


@pytest.mark.parametrize("seed", range(4))
def test_the_noisy_annotator_weighs_least_and_the_weighted_value_is_nearer_the_truth(seed: int) -> None:
    truth, ratings = simulated(seed, n=300, noises=(0.4, 0.4, 4.0), rated=1.0)
    made = weigh(ratings, EvaluatorWeighted())
    plain = np.bincount(ratings.clip, ratings.value) / np.bincount(ratings.clip)
    assert made.weights.argmin() == 2
    assert np.abs(made.values - truth).mean() < np.abs(plain - truth).mean()


def test_equal_weights_give_the_mean_and_the_sample_s_deviation() -> None:
    rng = np.random.default_rng(0)
    events = []
    for i, x in enumerate(rng.uniform(3, 7, 40)):
        d = rng.uniform(0.1, 1)
        events += [Rating(f"{i:02d}", "x", x + d), Rating(f"{i:02d}", "y", x - d)]
    ratings = ratings_of(events, AROUSAL)
    made = weigh(ratings, EvaluatorWeighted())
    assert made.weights[0] == pytest.approx(made.weights[1])
    table = ratings.value.reshape(40, 2)
    assert np.allclose(made.values, table.mean(axis=1)) and np.allclose(made.spreads, table.std(axis=1, ddof=1))


def test_an_annotator_who_turns_the_scale_round_weighs_nothing() -> None:
    rng = np.random.default_rng(1)
    events = []
    for i, x in enumerate(rng.uniform(2, 8, 50)):
        events += [Rating(f"{i}", who, float(x + rng.normal(0, 0.2))) for who in "abc"]
        events.append(Rating(f"{i}", "turned", float(10 - x)))
    made = weigh(ratings_of(events, AROUSAL), EvaluatorWeighted())
    assert dict(zip(made.annotators, made.weights, strict=True))["turned"] == 0
    assert (made.spreads < 1).all()


@BOTH
def test_a_single_rating_is_the_value_and_has_no_spread(leave_one_out: bool) -> None:
    made = weigh(ratings_of([Rating("a", "x", 4.5)], AROUSAL), EvaluatorWeighted(leave_one_out=leave_one_out))
    assert made.values.tolist() == [4.5] and np.isnan(made.spreads[0]) and made.n.tolist() == [1]


def test_the_last_rating_counts_and_repeats_do_not() -> None:
    events = [Rating("a", "x", 2, 1), Rating("a", "x", 7, 2), Rating("a", "x", 3, 3, repeat=True)]
    assert ratings_of(reversed(events), AROUSAL).value.tolist() == [7]


@pytest.mark.parametrize("value", [0.5, 9.5, math.nan, math.inf])
def test_a_value_outside_the_scale_is_refused_by_clip(value: float) -> None:
    with pytest.raises(AgreementError, match="arousal of clip c7"):
        ratings_of([Rating("c7", "x", value)], AROUSAL)


def test_no_ratings_are_refused() -> None:
    with pytest.raises(AgreementError, match="once somebody rated"):
        weigh(ratings_of([], AROUSAL), EvaluatorWeighted())
