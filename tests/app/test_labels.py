"""Labels: what annotations add up to, for each arm by itself."""

import math
from random import Random
from typing import Any

import pytest
from sqlalchemy import update

from al_core.scheme import Dimension, Scheme
from app.accounts.service import create_account
from app.annotations import leases, service
from app.db import Database, utcnow
from app.labels.deciding import decide, decisions
from app.labels.service import count_bought, of_arm, references
from app.models import Annotation, Clip, GoldClip, Pick, Project, Role

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


def _say(database: Database, made: Any, name: str, *said: dict[str, Any]) -> None:
    """One annotator's answers to the first clips, in order, with whatever they hold."""
    with database.write() as session:
        account = create_account(session, name, Role.ANNOTATOR, utcnow())[0].id
        held = leases.claim(session, made.project_id, account, len(said), 60, now=utcnow())
        for lease, content in zip(sorted(held, key=lambda one: one.clip_id), said, strict=True):
            given = service.Answer(lease.id, **({"label": None} | content), **NOTHING)
            service.answer(session, given, account, str(lease.id), now=utcnow())


NOTHING = {"skip_reason": None, "comment": None, "seconds": None}


def test_intensities_share_a_vote_and_unclear_answers_keep_a_clip_from_a_label(
    database: Database, annotating: Any
) -> None:
    made = annotating(database, clips=2, overlap=2, several_classes=True, unclear=True)
    _say(database, made, "a", {"intensities": {"anger": 0.9, "sadness": 0.3}}, {"unclear": True})
    _say(database, made, "b", {"label": "sadness"}, {"label": "anger"})
    with database.read() as session:
        own = of_arm(session, made.project_id, "strategy", SCHEME)
    assert [(label.clip_id, label.name, label.n_answers) for label in own] == [(made.clip_ids[0], "sadness", 2)]
    assert own[0].distribution == pytest.approx((0.375, 0, 0, 0.625))


def test_dimensions_are_labels_of_their_own_and_stay_where_the_class_is_disputed(
    database: Database, annotating: Any
) -> None:
    scheme = Scheme(SCHEME.classes, (Dimension("arousal", 1, 5), Dimension("valence", 1, 5)))
    made = annotating(database, clips=1, overlap=2, scheme=scheme)
    _say(database, made, "a", {"label": "anger", "dimensions": {"arousal": 4.0}})
    _say(database, made, "b", {"label": "neutral", "dimensions": {"arousal": 3.0}})
    with database.read() as session:
        (label,) = of_arm(session, made.project_id, "strategy", scheme)
    assert (label.name, label.distribution, label.dimensions[0]) == (None, (0, 0, 0, 0), pytest.approx(3.5))
    assert math.isnan(label.dimensions[1])


def test_reference_dimensions_are_labels_too(database: Database, annotating: Any) -> None:
    scheme = Scheme((), (Dimension("arousal", 1, 5), Dimension("valence", 1, 5)))
    made = annotating(database, clips=2, scheme=scheme)
    with database.write() as session:
        session.get_one(Clip, made.clip_ids[0]).reference_dimensions = {"valence": 2.0}
    with database.read() as session:
        (known,) = references(session, made.project_id, "train", scheme)
    assert (known.clip_id, known.name, known.dimensions[1]) == (made.clip_ids[0], None, 2.0)


@pytest.mark.parametrize("policy", ["dawid_skene", "mace"])
def test_a_project_may_weigh_its_annotators_and_change_its_mind_at_any_time(
    database: Database, annotating: Any, policy: str
) -> None:
    made = annotating(database, clips=80, overlap=5)
    rng, truth = Random(1), [SCHEME.classes[i % 4] for i in range(80)]
    for name, share in (("good", 0.95), ("fair", 0.9), ("bad", 0.2), ("worse", 0.2), ("worst", 0.1)):
        _answer(database, made, name, *(one if rng.random() < share else rng.choice(SCHEME.classes) for one in truth))

    def right() -> int:
        with database.read() as session:
            own = {label.clip_id: label.name for label in of_arm(session, made.project_id, "strategy", SCHEME)}
        return sum(own.get(clip) == one for clip, one in zip(made.clip_ids, truth, strict=True))

    by_majority = right()
    with database.write() as session:
        session.get_one(Project, made.project_id).annotating = {"labels": {"kind": policy}}
    assert right() > by_majority
    with database.write() as session:
        session.get_one(Project, made.project_id).annotating = {}
    assert right() == by_majority


def test_gold_answers_teach_who_is_right_and_are_still_no_labels(database: Database, annotating: Any) -> None:
    made = annotating(database, clips=30, overlap=2, labels={"kind": "dawid_skene"})
    truth = [SCHEME.classes[i % 4] for i in range(30)]
    shifted = [SCHEME.classes[(i + 1) % 4] for i in range(30)]
    _answer(database, made, "right", *truth)
    _answer(database, made, "wrong", *shifted)
    with database.write() as session:
        gold = made.clip_ids[:20]
        session.add_all(
            GoldClip(
                project_id=made.project_id, clip_id=clip, use="gold", labels=[one], dimensions={}, created_at=utcnow()
            )
            for clip, one in zip(gold, truth, strict=False)
        )
        session.execute(update(Annotation).where(Annotation.clip_id.in_(gold)).values(kind="gold"))
    with database.read() as session:
        own = of_arm(session, made.project_id, "strategy", SCHEME)
        assert count_bought(session, made.project_id) == 10
    assert [label.clip_id for label in own] == made.clip_ids[20:]
    assert [label.name for label in own] == truth[20:]


@pytest.mark.parametrize("estimator", ["majority", "dawid_skene", "mace"])
def test_a_gold_clip_with_answers_is_what_is_known_of_it_whatever_estimates(
    database: Database, annotating: Any, estimator: str
) -> None:
    made = annotating(database, clips=3, overlap=2, labels=estimator)
    _answer(database, made, "a", "anger", "anger", "neutral")
    _answer(database, made, "b", "anger", "sadness", "neutral")
    known = {"use": "gold", "labels": ["happiness"], "dimensions": {}, "created_at": utcnow()}
    with database.write() as session:
        session.add(GoldClip(project_id=made.project_id, clip_id=made.clip_ids[1], **known))
    with database.read() as session:
        decided = decisions(session, made.project_id)
        again = decisions(session, made.project_id)
    assert decided.clips[made.clip_ids[1]].name == "happiness"
    assert decided.clips[made.clip_ids[1]].distribution == (0, 1, 0, 0)
    assert decided.digest == again.digest
    assert len(decided.digest or "") == 64


def test_some_clips_are_decided_as_they_are_among_all(database: Database, annotating: Any) -> None:
    for estimator in ("majority", "mace"):
        made = annotating(database, clips=3, overlap=2, name=estimator, labels=estimator)
        _answer(database, made, f"{estimator} a", "anger", "anger", "neutral")
        _answer(database, made, f"{estimator} b", "anger", "sadness", "neutral")
        with database.read() as session:
            every = decide(session, made.project_id)
            some = decide(session, made.project_id, made.clip_ids[1:])
        assert some == {clip_id: every[clip_id] for clip_id in made.clip_ids[1:]}
