import math
from itertools import permutations

import numpy as np
import pytest

from al_core.agreement import AgreementError, Event, choices, votes_of
from al_core.agreement.answers import sorted_votes
from al_core.scheme import Scheme, SchemeError

SCHEME = Scheme(("anger", "neutral", "sadness"))


def test_every_answer_is_one_vote_whatever_it_names() -> None:
    votes = votes_of(
        [
            Event("b", "x", "sadness"),
            Event("a", "x", {"anger": 3, "sadness": 1, "neutral": 0}),
            Event("a", "y", None),
        ],
        SCHEME,
    )
    assert votes.clips == ("a", "b") and votes.annotators == ("x", "y")
    assert np.allclose(votes.counts(), [[0.75, 0, 0.25, 1], [0, 0, 1, 0]])


def test_a_revision_replaces_the_answer_before_it_in_any_order_of_arrival() -> None:
    events = [Event("a", "x", "anger", 1), Event("a", "x", "neutral", 3), Event("a", "x", "sadness", 2)]
    for arrived in permutations(events):
        assert votes_of(arrived, SCHEME).counts().tolist() == [[0, 1, 0, 0]]


def test_a_repeat_is_no_second_vote_and_no_revision() -> None:
    events = [Event("a", "x", "anger", 1), Event("a", "x", "neutral", 2, repeat=True)]
    assert votes_of(events, SCHEME).counts().tolist() == [[1, 0, 0, 0]]


def test_no_events_are_no_votes() -> None:
    votes = votes_of([], SCHEME)
    assert votes.clips == () and votes.counts().shape == (0, 4)
    assert len(choices(votes).clip) == 0


@pytest.mark.parametrize("answer", [{}, {"anger": 0}, {"anger": -1, "neutral": 2}, {"anger": math.nan}])
def test_intensities_that_say_nothing_are_refused_by_clip(answer: dict[str, float]) -> None:
    with pytest.raises(AgreementError, match="for clip c7"):
        votes_of([Event("c7", "x", answer)], SCHEME)


@pytest.mark.parametrize("answer", ["joy", {"joy": 1}])
def test_an_answer_outside_the_scheme_is_refused_by_name(answer: str | dict[str, float]) -> None:
    with pytest.raises(SchemeError, match="joy"):
        votes_of([Event("a", "x", answer)], SCHEME)


def test_a_choice_is_the_strongest_class_and_never_one_of_two_equals() -> None:
    votes = votes_of(
        [
            Event("a", "x", {"anger": 2, "sadness": 1}),
            Event("a", "y", {"anger": 1, "sadness": 1}),
            Event("a", "z", None),
            Event("b", "y", "neutral"),
        ],
        SCHEME,
    )
    made = choices(votes)
    assert [made.clip.tolist(), made.annotator.tolist(), made.response.tolist()] == [[0, 1], [0, 1], [0, 1]]


def test_columns_are_checked_before_they_are_counted() -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(AgreementError, match="response position"):
        sorted_votes(SCHEME, ["a"], ["x"], one, one, one + 4)
    with pytest.raises(AgreementError, match="sort them first"):
        sorted_votes(SCHEME, ["b", "a"], ["x"], one, one, one)
    unclear = sorted_votes(SCHEME, ["a"], ["x"], one, one, one + 3)
    assert unclear.counts().tolist() == [[0, 0, 0, 1]]
