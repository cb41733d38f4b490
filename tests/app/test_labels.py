"""Labels: what annotations add up to, for each arm by itself."""

from typing import Any

import pytest
from sqlalchemy import update

from al_core.scheme import Scheme
from app.accounts.service import create_account
from app.annotations import leases, service
from app.db import Database, utcnow
from app.labels.service import count_bought, of_arm, references
from app.models import Clip, Pick, Role

SCHEME = Scheme(("anger", "happiness", "neutral", "sadness"))


def _answer(database: Database, made: Any, name: str, *labels: str) -> None:
    """One annotator's answers to the first clips, in order."""
    with database.write() as session:
        account = create_account(session, name, Role.ANNOTATOR, utcnow())[0].id
        held = leases.claim(session, made.project_id, account, len(labels), 60, now=utcnow())
        for lease, label in zip(held, labels, strict=True):
            given = service.Answer(lease.id, label, None, None, None)
            service.answer(session, given, account, str(lease.id), now=utcnow())


def test_annotators_who_agree_make_a_label_and_a_tie_makes_none(database: Database, annotating: Any) -> None:
    made = annotating(database, clips=3, overlap=2)
    _answer(database, made, "a", "anger", "anger", "neutral")
    _answer(database, made, "b", "anger", "sadness", "neutral")
    with database.read() as session:
        own = of_arm(session, made.project_id, "strategy", SCHEME)
        assert count_bought(session, made.project_id) == 3
    assert [(label.clip_id, label.name, label.n_answers) for label in own] == [
        (made.clip_ids[0], "anger", 2),
        (made.clip_ids[2], "neutral", 2),
    ]


def test_a_label_keeps_the_distribution_of_its_answers(database: Database, annotating: Any) -> None:
    made = annotating(database, clips=1, overlap=3)
    for name, label in (("a", "anger"), ("b", "anger"), ("c", "sadness")):
        _answer(database, made, name, label)
    with database.read() as session:
        (label,) = of_arm(session, made.project_id, "strategy", SCHEME)
    assert label.distribution == pytest.approx((2 / 3, 0, 0, 1 / 3))


def test_an_arm_has_the_labels_of_its_own_picks_whoever_had_them_annotated(database: Database, annotating: Any) -> None:
    made = annotating(database, clips=3)
    _answer(database, made, "a", "anger", "neutral", "sadness")
    with database.write() as session:
        session.add(Pick(round_id=made.round_id, arm="control", clip_id=made.clip_ids[1], rank=0, score=0))
    with database.read() as session:
        control = of_arm(session, made.project_id, "control", SCHEME)
        strategy = of_arm(session, made.project_id, "strategy", SCHEME)
    assert [label.clip_id for label in control] == [made.clip_ids[1]]
    assert [label.clip_id for label in strategy] == made.clip_ids


def test_a_labelled_seed_set_belongs_to_both_arms_and_cost_nobody_anything(database: Database, annotating: Any) -> None:
    made = annotating(database, clips=2)
    with database.write() as session:
        session.execute(update(Clip).where(Clip.id == made.clip_ids[0]).values(reference_label="anger"))
    with database.read() as session:
        arms = [of_arm(session, made.project_id, arm, SCHEME) for arm in ("strategy", "control")]
        assert count_bought(session, made.project_id) == 0
        assert references(session, made.project_id, "train", SCHEME) == arms[0] == arms[1]
    assert [(label.name, label.n_answers) for label in arms[0]] == [("anger", 0)]
