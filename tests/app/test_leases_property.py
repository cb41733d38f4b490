"""Whatever annotators do, in whatever order and at once: no clip goes to more people than asked, no answer is lost."""

import threading
import uuid
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.accounts.service import create_account
from app.annotations import leases, service
from app.annotations.leases import LeaseId
from app.annotations.schemas import SkipReason
from app.db import Database, utcnow
from app.errors import ConflictError
from app.models import Annotation, Assignment, Job, Role, Round

PEOPLE, CLIPS, OVERLAP, LEASE_S = 3, 4, 2, 60.0
STEP = st.tuples(
    st.sampled_from(
        ["claim", "answer", "answer again", "skip unsure", "skip bad", "release", "heartbeat", "time passes"]
    ),
    st.integers(0, PEOPLE - 1),
    st.integers(0, 5),
)


class Play:
    """A round, its annotators, every lease they ever held, and a clock that only steps move."""

    def __init__(self, db: Database, made: Any) -> None:
        self.db, self.made, self.now = db, made, utcnow()
        with db.write() as session:
            people = [create_account(session, uuid.uuid4().hex, Role.ANNOTATOR, self.now)[0] for _ in range(PEOPLE)]
        self.people = [person.id for person in people]
        self.held: list[list[leases.Lease]] = [[] for _ in people]
        self.accepted: list[tuple[int, int]] = []  # (clip, person) of answers the service confirmed

    def step(self, action: str, person: int, choice: int) -> None:
        """One action; a refusal is part of the game."""
        if action == "time passes":
            self.now += timedelta(seconds=LEASE_S * (choice + 1) / 4)
        elif action == "claim":
            self._claim(person, choice + 1)
        elif self.held[person]:
            lease = self.held[person][choice % len(self.held[person])]
            try:
                with self.db.write() as session:
                    self._act(session, action, self.people[person], lease)
            except ConflictError:
                return
            if action.startswith("answer"):
                self.accepted.append((lease.clip_id, self.people[person]))

    def _claim(self, person: int, count: int) -> None:
        with self.db.write() as session:
            taken = leases.claim(session, self.made.project_id, self.people[person], count, LEASE_S, now=self.now)
        self.held[person] += taken

    def _act(self, session: Any, action: str, account: int, lease: leases.Lease) -> None:
        if action == "release":
            leases.release(session, lease.id, account)
        elif action == "heartbeat":
            leases.heartbeat(session, lease.id, account, LEASE_S, now=self.now)
        else:
            key = f"skip {lease.id}" if action.startswith("skip") else f"answer {lease.id}"
            service.answer(session, _answer(action, lease.id), account, key, now=self.now)

    def check(self) -> None:
        """What must hold after every step."""
        with self.db.read() as session:
            asked = select(Assignment.clip_id, Assignment.account_id, Assignment.state)
            rows = session.execute(asked.where(Assignment.round_id == self.made.round_id)).all()
            answered = select(Annotation.clip_id, Annotation.account_id).where(Annotation.label.is_not(None))
            answers = session.execute(answered.where(Annotation.project_id == self.made.project_id)).all()
            state = session.get_one(Round, self.made.round_id).state
            of_round = (Job.round_id == self.made.round_id, Job.kind == "fine_tune")
            jobs = session.scalar(select(func.count()).select_from(Job).where(*of_round))
        busy = [(row.clip_id, row.account_id) for row in rows if row.account_id is not None]
        assert len(busy) == len(set(busy)), "somebody holds one clip twice"
        assert max(Counter(clip for clip, _ in busy).values(), default=0) <= OVERLAP
        assert sorted(map(tuple, answers)) == sorted(set(self.accepted)), "an answer was lost, or stored twice"
        done = {"done", "out"} >= {row.state for row in rows}
        assert (state, jobs) == (("fine_tuning", 1) if done else ("annotating", 0))


def _answer(action: str, lease: LeaseId) -> service.Answer:
    if action.startswith("answer"):
        return service.Answer(lease, "anger", None, None, None)
    reason = SkipReason.BAD_AUDIO if action == "skip bad" else SkipReason.UNSURE
    return service.Answer(lease, None, reason, None, None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=40))
def test_every_sequence_of_actions_keeps_the_promises(
    steps: list[tuple[str, int, int]], database: Database, annotating: Any
) -> None:
    play = Play(database, annotating(database, CLIPS, OVERLAP, LEASE_S, name=uuid.uuid4().hex))
    for action, person, choice in steps:
        play.step(action, person, choice)
        play.check()


def test_annotators_at_once_share_a_round_exactly(database: Database, annotating: Any) -> None:
    clips, people = 40, 8
    made = annotating(database, clips, OVERLAP, LEASE_S)
    with database.write() as session:
        accounts = [create_account(session, str(i), Role.ANNOTATOR, utcnow())[0].id for i in range(people)]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_work, args=(database, made.project_id, one, failures)) for one in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with database.read() as session:
        answers = session.execute(select(Annotation.clip_id, Annotation.account_id)).all()
        jobs = session.scalars(select(Job.kind).where(Job.kind == "fine_tune")).all()
    assert len(answers) == len(set(answers)) == clips * OVERLAP
    assert Counter(clip for clip, _ in answers) == Counter(dict.fromkeys(made.clip_ids, OVERLAP))
    assert jobs == ["fine_tune"]


def _work(database: Database, project_id: int, account: int, failures: list[BaseException]) -> None:
    """Claim a few, answer most, give some back, until there is nothing left."""
    rng = Random(account)
    idle_since: datetime | None = None
    try:
        while idle_since is None or utcnow() - idle_since < timedelta(seconds=0.5):
            with database.write() as session:
                held = leases.claim(session, project_id, account, rng.randint(1, 3), LEASE_S, now=utcnow())
            idle_since = None if held else idle_since or utcnow()
            for lease in held:
                with database.write() as session:
                    if rng.random() < 0.2:
                        leases.release(session, lease.id, account)
                    else:
                        given = service.Answer(lease.id, "anger", None, None, None)
                        service.answer(session, given, account, str(lease.id), now=utcnow())
    except BaseException as error:  # a thread's failure must reach the test
        failures.append(error)
