"""Strategies in a round that read more than probabilities: dropout passes, dimensions, who speaks."""

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from al_core.scheme import Dimension, Scheme
from al_core.strategies.specs import Alps, Bald, Constrained, Ctial, Explored, GreedyY, Modal, Strategy
from app.errors import InvalidError
from app.jobs.replay import replay_here
from app.models import Clip, Pick, Round
from app.projects.checks import check_strategy
from app.specs import as_json, read_strategy

BOTH = Scheme(("high", "low"), (Dimension("arousal", 1, 5),))


def _picks(made: Any, turn: Round) -> list[tuple[str, float]]:
    """Speaker and score of each pick of a round."""
    with made.db.read() as session:
        of_round = select(Clip.speaker, Pick.score).join(Pick, Pick.clip_id == Clip.id).where(Pick.round_id == turn.id)
        return [(row.speaker, row.score) for row in session.execute(of_round)]


def test_a_round_asks_the_encoder_what_surprises_it_and_is_replayed(make: Any) -> None:
    made = make(BOTH)
    turn = made.round(strategy=Alps())
    assert all(0 < score <= 1 for _, score in _picks(made, turn))
    found = replay_here(made.settings, made.db, turn)
    assert found.same, found.sentence


def test_a_round_runs_the_passes_and_knows_the_speakers_and_dimensions_its_strategy_reads(make: Any) -> None:
    made = make(BOTH)
    first = made.round(strategy=Bald(passes=4))
    assert [score for _, score in _picks(made, first)] == [0, 0]  # nothing is trained yet: chance begins
    for strategy in (Constrained(Bald(passes=4), per_speaker=1), GreedyY(), Ctial()):
        turn = made.round(strategy=strategy)
        picked = _picks(made, turn)
        assert any(score != 0 for _, score in picked), strategy
        if isinstance(strategy, Constrained):
            assert max(Counter(speaker for speaker, _ in picked).values()) == 1


@pytest.mark.parametrize(
    ("strategy", "scheme", "sentence"),
    [
        (
            Constrained(GreedyY()),
            Scheme(("high", "low")),
            "greedy_y reads dimensions, and this scheme has classes alone",
        ),
        (Constrained(Bald()), Scheme((), BOTH.dimensions), "bald reads class probabilities"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_a_strategy_lacks_is_said_before_a_round(strategy: Strategy, scheme: Scheme, sentence: str) -> None:
    with pytest.raises(InvalidError, match=sentence):
        check_strategy(strategy, scheme)


def test_what_is_wrapped_may_be_a_name_and_comes_back_whole() -> None:
    given = {"kind": "constrained", "per_speaker": 3, "inner": {"kind": "explored", "inner": "a_package.mine:query"}}
    strategy = read_strategy(given)
    assert strategy == Constrained(Explored(Modal("a_package.mine:query")), per_speaker=3)
    assert read_strategy(as_json(strategy)) == strategy


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ("marginal", "inner: unknown strategy 'marginal': choose from random"),
        ({"kind": "typiclust", "neighbours": 0}, "neighbours is 0"),
        ({"kind": "explored", "inner": {"kind": "modal", "path": "nowhere"}}, "is no import path"),
        ({"kind": "typiclust", "near": 1}, r"inner\.typiclust\.near: Unexpected"),
    ],
    ids=str,
)
def test_what_is_wrong_inside_a_wrapper_is_named(inner: Any, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        read_strategy({"kind": "constrained", "inner": inner})
