from typing import TYPE_CHECKING

import numpy as np
import pytest

from al_core.agreement import AgreementError, aggregate
from al_core.agreement.majority import DISPUTED, most_voted, shares
from al_core.scheme import Scheme, SchemeError

if TYPE_CHECKING:
    from tests.al_core.agreement.conftest import Cremad

SCHEME = Scheme(("anger", "happiness", "neutral", "sadness"))
SIX = Scheme(("anger", "disgust", "fear", "happiness", "neutral", "sadness"))


def test_the_majority_is_the_label_and_every_vote_is_in_the_distribution() -> None:
    verdict = aggregate(["sadness", "neutral", "sadness"], SCHEME)
    assert verdict.label == "sadness" and not verdict.disputed and verdict.n == 3
    assert np.allclose(verdict.distribution, [0, 0, 1 / 3, 2 / 3])


def test_a_tie_is_a_dispute_and_never_the_class_between_the_two() -> None:
    verdict = aggregate(["anger", "neutral"], SCHEME)
    assert verdict.label is None and verdict.disputed
    assert np.allclose(verdict.distribution, [0.5, 0, 0.5, 0])


def test_a_tie_for_second_place_is_no_dispute() -> None:
    assert aggregate(["anger", "anger", "neutral", "sadness"], SCHEME).label == "anger"


def test_one_annotation_is_a_label() -> None:
    assert aggregate(["happiness"], SCHEME).label == "happiness"


def test_nothing_to_decide_on_is_refused() -> None:
    with pytest.raises(AgreementError, match="annotate it first"):
        aggregate([], SCHEME)


def test_an_answer_outside_the_scheme_is_refused_by_name() -> None:
    with pytest.raises(SchemeError, match="joy"):
        aggregate(["joy"], SCHEME)


def test_of_votes_and_intensities_the_one_largest_sum_wins() -> None:
    counts = np.array([[2, 1, 0], [1, 1, 0], [0.1 + 0.2, 0.3, 0], [0, 0, 0], [0, 0, 3]])
    assert most_voted(counts).tolist() == [0, DISPUTED, DISPUTED, DISPUTED, 2]


def test_shares_leave_the_unclear_out_and_are_uniform_where_nobody_named_a_class() -> None:
    assert np.allclose(shares(np.array([[3, 1, 4.0], [0, 0, 2.0]])), [[0.75, 0.25], [0.5, 0.5]])


def test_real_votes_agree_as_their_publishers_say(cremad: "Cremad") -> None:
    """CREMA-D's listeners: 9.2 votes a clip, mean agreement of the voices 0.64 (the shared README's figures)."""
    answers = [[name for name, n in zip(SIX.classes, row, strict=True) for _ in range(n)] for row in cremad.counts]
    verdicts = [aggregate(clip, SIX) for clip in answers]
    assert len(verdicts) == 7_442
    assert np.mean([v.n for v in verdicts]) == pytest.approx(9.2, abs=0.1)
    assert np.mean([v.distribution.max() for v in verdicts]) == pytest.approx(0.64, abs=0.03)
