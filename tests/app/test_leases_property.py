"""Whatever annotators do, in whatever order and at once: no clip goes to more people than asked, no answer is lost."""

import threading
import uuid
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.accounts.service import create_account
from app.annotations import leases, offers, service, undo
from app.annotations.leases import LeaseId
from app.annotations.settings import SkipReason
from app.db import Database, utcnow
from app.errors import ConflictError
from app.labels.service import answers
from app.models import Annotation, Assignment, Job, Role, Round

PEOPLE, CLIPS, OVERLAP, LEASE_S = 64, 12, 3, 60.0
ACTIONS = (
    "claim", "claim", "answer", "answer", "answer again", "skip unsure", "skip bad", "skip later", "release",
    "heartbeat", "undo", "revise", "time passes",
)  # fmt: skip
STEP = st.tuples(st.sampled_from(ACTIONS), st.integers(0, PEOPLE - 1), st.integers(0, 5))
ENDED = {"done", "out", "skipped"}
# every further answer pays, so each clip is asked of one more person until the limit
ROUTED = {"adaptive": {"rule": "routed", "sure": 1.0, "price": 0.0, "limit": OVERLAP}}


class Play:
    """A round, its 64 annotators, every lease they ever held, and a clock that only steps move."""

    def __init__(self, db: Database, made: Any) -> None:
        self.db, self.made, self.now = db, made, utcnow()
        with db.write() as session:
            people = [create_account(session, uuid.uuid4().hex, Role.ANNOTATOR, self.now)[0] for _ in range(PEOPLE)]
        self.people = [person.id for person in people]
        self.held: list[list[leases.Lease]] = [[] for _ in people]
        self.said: dict[tuple[int, int], int] = {}  # (clip, person) → annotation, as the service confirmed it
        self.confirmed: set[int] = set()  # every annotation ever confirmed

    def step(self, action: str, person: int, choice: int) -> None:
        """One action; a refusal is part of the game."""
        account = self.people[person]
        try:
            if action == "time passes":
                self.now += timedelta(seconds=LEASE_S * (choice + 1) / 4)
            elif action == "claim":
                self._claim(person, account, choice + 1)
            elif action == "undo":
                self._undo(person, account, choice % 3 + 1)
            elif action == "revise":
                self._revise(account)
            elif self.held[person]:
                self._act(action, account, self.held[person][-1 - choice % len(self.held[person])])
        except ConflictError:
            pass

    def _claim(self, person: int, account: int, count: int) -> None:
        with self.db.write() as session:
            self.held[person] += offers.offer(session, self.made.project_id, account, count, now=self.now).leases

    def _undo(self, person: int, account: int, count: int) -> None:
        with self.db.write() as session:
            key = uuid.uuid4().hex
            undone = undo.undo(session, self.made.project_id, account, count, key, LEASE_S, now=self.now)
        self.held[person] += undone.leases
        for lease in undone.leases:
            self.said.pop((lease.clip_id, account), None)

    def _revise(self, account: int) -> None:
        mine = [key for key in self.said if key[1] == account]
        if mine:
            with self.db.write() as session:
                nobody = service.Answer(LeaseId(0, 0), "sadness", None, None, None)
                stored = service.revise(session, self.said[mine[0]], nobody, account, uuid.uuid4().hex, now=self.now)
            self._confirm(mine[0], stored)

    def _act(self, action: str, account: int, lease: leases.Lease) -> None:
        with self.db.write() as session:
            if action == "release":
                leases.release(session, lease.id, account)
            elif action == "heartbeat":
                leases.heartbeat(session, lease.id, account, LEASE_S, now=self.now)
            else:
                key = f"skip {lease.id}" if action.startswith("skip") else f"answer {lease.id}"
                stored = service.answer(session, _answer(action, lease.id), account, key, now=self.now)
        if action.startswith("answer"):
            self._confirm((lease.clip_id, account), stored)

    def _confirm(self, who: tuple[int, int], stored: service.Stored) -> None:
        if not stored.repeated:  # a repeat is an old answer, which may have been taken back since
            self.said[who] = stored.annotation.id
            self.confirmed.add(stored.annotation.id)

    def check(self) -> None:
        """What must hold after every step."""
        with self.db.read() as session:
            asked = select(Assignment.clip_id, Assignment.account_id, Assignment.state)
            rows = session.execute(asked.where(Assignment.round_id == self.made.round_id)).all()
            stored = session.scalars(select(Annotation).where(Annotation.project_id == self.made.project_id)).all()
            live = answers(session, self.made.project_id)
            state = session.get_one(Round, self.made.round_id).state
            of_round = (Job.round_id == self.made.round_id, Job.kind == "fine_tune")
            jobs = session.scalar(select(func.count()).select_from(Job).where(*of_round))
        had = [(row.clip_id, row.account_id) for row in rows if row.account_id is not None]
        assert len(had) == len(set(had)), "somebody was given one clip twice"
        busy = Counter(row.clip_id for row in rows if row.state in ("leased", "done"))
        assert max(busy.values(), default=0) <= OVERLAP, "a clip is with more people than asked"
        counting = {(one.clip_id, one.account_id): one.annotation_id for clip in live.values() for one in clip}
        assert counting == self.said, "an answer was lost, or counts twice, or counts after it was taken back"
        assert {one.id for one in stored if one.label is not None} == self.confirmed, "an event is missing, or nobody's"
        _check_traces(stored)
        assert (state, jobs) == (("fine_tuning", 1) if {row.state for row in rows} <= ENDED else ("annotating", 0))


def _check_traces(stored: Any) -> None:
    """Every event names its lease, and what it supersedes is an earlier event of the same annotator and clip."""
    by_id = {one.id: one for one in stored}
    for one in stored:
        assert one.fence >= 1
        if one.supersedes_id is not None:
            before = by_id[one.supersedes_id]
            assert before.id < one.id
            assert (before.clip_id, before.account_id) == (one.clip_id, one.account_id)
    leased = Counter((one.assignment_id, one.fence) for one in stored if one.supersedes_id is None)
    assert set(leased.values()) <= {1}, "two answers to one lease"


def _answer(action: str, lease: LeaseId) -> service.Answer:
    if action.startswith("answer"):
        return service.Answer(lease, "anger", None, None, None)
    reasons = {"bad": SkipReason.BAD_AUDIO, "unsure": SkipReason.UNSURE, "later": SkipReason.SEVERAL_SPEAKERS}
    return service.Answer(lease, None, reasons[action.removeprefix("skip ")], None, None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=60), crowd=st.sampled_from([3, PEOPLE]), overlap=st.integers(1, OVERLAP))
def test_every_sequence_of_actions_keeps_the_promises(
    steps: list[tuple[str, int, int]], crowd: int, overlap: int, database: Database, annotating: Any
) -> None:
    made = annotating(database, CLIPS, overlap, LEASE_S, name=uuid.uuid4().hex, skips={"several_speakers": "later"})
    play = Play(database, made)
    for action, person, choice in steps:
        play.step(action, person % crowd, choice)
    play.check()


@pytest.mark.parametrize("settings", [{}, ROUTED], ids=["overlap", "routed"])
def test_a_long_game_keeps_them_after_every_step(database: Database, annotating: Any, settings: dict[str, Any]) -> None:
    made = annotating(database, 60, 1 if settings else OVERLAP, LEASE_S, **settings)
    play, rng = Play(database, made), Random(7)
    for _ in range(250 if settings else 500):
        somebody = rng.randrange(PEOPLE if rng.random() < 0.3 else 6)
        play.step(rng.choice(ACTIONS), somebody, rng.randrange(6))
        play.check()
    assert len(play.confirmed) > (15 if settings else 30)


@pytest.mark.parametrize(("settings", "overlap"), [({}, 2), (ROUTED, OVERLAP)], ids=["overlap", "routed"])
def test_64_annotators_at_once_share_a_round_exactly(
    database: Database, annotating: Any, settings: dict[str, Any], overlap: int
) -> None:
    clips = 60
    made = annotating(database, clips, 1 if settings else overlap, LEASE_S, **settings)
    with database.write() as session:
        accounts = [create_account(session, str(i), Role.ANNOTATOR, utcnow())[0].id for i in range(PEOPLE)]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_work, args=(database, made.project_id, one, failures)) for one in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with database.read() as session:
        given = session.execute(
            select(Annotation.clip_id, Annotation.account_id).where(Annotation.label.is_not(None))
        ).all()
        live = {clip: [one.account_id for one in said] for clip, said in answers(session, made.project_id).items()}
        stored = session.scalars(select(Annotation)).all()
        jobs = session.scalars(select(Job.kind).where(Job.kind == "fine_tune")).all()
    assert all(len(set(people)) == len(people) == overlap for people in live.values())
    assert live.keys() == set(made.clip_ids)
    assert len(given) >= clips * overlap
    _check_traces(stored)
    assert jobs == ["fine_tune"]


def _work(database: Database, project_id: int, account: int, failures: list[BaseException]) -> None:
    """Claim a few, answer most twice, give some back, take some back, until there is nothing left."""
    rng = Random(account)
    idle_since: datetime | None = None
    try:
        while idle_since is None or utcnow() - idle_since < timedelta(seconds=1.0):
            with database.write() as session:
                held = offers.offer(session, project_id, account, rng.randint(1, 3), now=utcnow()).leases
            idle_since = None if held else idle_since or utcnow()
            for lease in held:
                _settle(database, project_id, account, lease, rng)
    except BaseException as error:  # a thread's failure must reach the test
        failures.append(error)


def _settle(database: Database, project_id: int, account: int, lease: leases.Lease, rng: Random) -> None:
    chance = rng.random()
    given = service.Answer(lease.id, "anger", None, None, None)
    if chance < 0.2:
        with database.write() as session:
            leases.release(session, lease.id, account)
        return
    for _ in range(2 if chance < 0.4 else 1):  # the same answer twice, as after a lost connection
        with database.write() as session:
            service.answer(session, given, account, str(lease.id), now=utcnow())
    if chance > 0.9:
        try:
            with database.write() as session:
                (back,) = undo.undo(session, project_id, account, 1, f"undo {lease.id}", 60, now=utcnow()).leases
                service.answer(
                    session, service.Answer(back.id, "neutral", None, None, None), account, str(back.id), now=utcnow()
                )
        except ConflictError:  # the round ended meanwhile
            pass
