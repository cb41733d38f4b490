"""Kappa against scikit-learn and against drawing clips one by one."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from al_core.agreement import Choices, Event, choices, votes_of
from al_core.agreement.kappa import pairwise
from al_core.scheme import Scheme

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Simulate

SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))


def answers_of(made: Choices, annotator: int) -> dict[int, int]:
    own = made.annotator == annotator
    return dict(zip(made.clip[own].tolist(), made.response[own].tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_s_kappa_is_scikit_learn_s(seed: int, simulate: "Simulate") -> None:
    votes = simulate(seed, n=150, annotators=5, per_clip=3, unclear=0.1).votes
    made = choices(votes)
    found = pairwise(made, votes.annotators, 6)
    assert len(found.pairs) == 10
    for pair in found.pairs:
        one = answers_of(made, votes.annotators.index(pair.first))
        other = answers_of(made, votes.annotators.index(pair.second))
        common = sorted(one.keys() & other.keys())
        expected = cohen_kappa_score([one[i] for i in common], [other[i] for i in common])
        assert pair.kappa.value == pytest.approx(expected, abs=1e-12)
        assert pair.kappa.n_clips == len(common)
        assert pair.kappa.low < pair.kappa.value < pair.kappa.high
    assert found.mean is not None
    assert found.mean.value == pytest.approx(np.mean([pair.kappa.value for pair in found.pairs]))
    own = [pair.kappa.value for pair in found.pairs if "annotator 2" in (pair.first, pair.second)]
    assert found.per_annotator["annotator 2"].value == pytest.approx(np.mean(own))


def test_the_intervals_are_those_of_drawing_clips_one_by_one(simulate: "Simulate") -> None:
    votes = simulate(0, n=120, annotators=3, per_clip=3).votes
    made, rng = choices(votes), np.random.default_rng(5)
    found = pairwise(made, votes.annotators, 6, resamples=2000)
    tables = [answers_of(made, a) for a in range(3)]
    pairs, means = [], []
    for _ in range(600):
        drawn = rng.integers(0, 120, 120)
        kappas = [
            cohen_kappa_score([tables[a][i] for i in drawn], [tables[b][i] for i in drawn])
            for a, b in ((0, 1), (0, 2), (1, 2))
        ]
        pairs.append(kappas[0])
        means.append(np.mean(kappas))
    first, mean = found.pairs[0].kappa, found.mean
    assert mean is not None
    assert [first.low, first.high] == pytest.approx(np.quantile(pairs, [0.025, 0.975]), abs=0.035)
    assert [mean.low, mean.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.03)
    assert mean.high - mean.low < first.high - first.low


def test_pairs_with_too_few_common_clips_or_one_class_are_missing() -> None:
    events = [Event(f"{i}", who, "anger") for i in range(12) for who in "xy"]
    events += [Event(f"{i}", "z", SIX.classes[i % 2]) for i in range(9)]
    votes = votes_of(events, SIX)
    found = pairwise(choices(votes), votes.annotators, 6)
    assert found.pairs == () and found.mean is None and found.per_annotator == {}
    few = pairwise(choices(votes), votes.annotators, 6, least_common=5)
    assert [(pair.first, pair.second) for pair in few.pairs] == [("x", "z"), ("y", "z")]


def test_nobody_who_answered_the_same_clip_is_no_pair() -> None:
    votes = votes_of([Event("a", "x", "anger"), Event("b", "y", "fear")], SIX)
    assert pairwise(choices(votes), votes.annotators, 6).pairs == ()
    assert pairwise(choices(votes_of([], SIX)), (), 6).mean is None
