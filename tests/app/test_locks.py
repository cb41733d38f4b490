"""Annotators, an adjudicator and an operator at the same clips of one round: nobody waits for somebody who waits."""

import threading
import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from app.accounts.service import create_account
from app.adjudication.schemas import RulingIn, SendBackIn
from app.adjudication.service import rule, send_back
from app.annotations import closing, offers, service, undo
from app.annotations.leases import LeaseId
from app.annotations.overlap import set_overlap
from app.annotations.settings import SkipReason
from app.db import Database, utcnow
from app.errors import ConflictError, NotFoundError
from app.models import Role, Round, RoundState
from app.rounds.service import close_round

LEASE_S = 600
ROUTED = {"adaptive": {"rule": "routed", "sure": 1.0, "price": 0.0, "limit": 3}}
SKIPS = {"bad_audio": "out", "unsure": "others", "several_speakers": "later"}


class Crowd:
    """Everybody who works on one round, each in a thread, and what went wrong for any of them."""

    def __init__(self, db: Database, made: Any, people: int) -> None:
        self.db, self.made, self.failures = db, made, list[BaseException]()
        with db.write() as session:
            made_accounts = [
                create_account(session, uuid.uuid4().hex, Role.ANNOTATOR, utcnow())[0] for _ in range(people)
            ]
            self.chief = create_account(session, uuid.uuid4().hex, Role.OPERATOR, utcnow())[0].id
        self.accounts = [account.id for account in made_accounts]

    def run(self, *works: Callable[[], None]) -> None:
        """All of them at once, to their end."""
        threads = [threading.Thread(target=self._kept, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def annotate(self, account: int) -> None:
        """Claim, answer, skip, revise and take back in one round until it has nothing more."""
        rng, empty = Random(account), 0
        while empty < 5:
            with self.db.write() as session:
                held = offers.offer(session, self.made.project_id, account, rng.randint(1, 3), now=utcnow()).leases
            empty = 0 if held else empty + 1
            for lease in held:
                self._settle(account, lease.id, rng)

    def _settle(self, account: int, lease: LeaseId, rng: Random) -> None:
        reason = rng.choice(list(SKIPS)) if rng.random() < 0.3 else None
        label = None if reason is not None else rng.choice(["anger", "neutral"])
        given = service.Answer(lease, label, None if reason is None else SkipReason(reason), None, None)
        try:
            with self.db.write() as session:
                stored = service.answer(session, given, account, str(lease), now=utcnow()).annotation
            chance = rng.random()
            with self.db.write() as session:
                if chance < 0.2:
                    undo.undo(session, self.made.project_id, account, rng.randint(1, 3), f"u {lease}", 60, now=utcnow())
                elif chance < 0.4:
                    again = service.Answer(lease, "sadness", None, None, None)
                    service.revise(session, stored.id, again, account, f"r {lease}", now=utcnow())
        except ConflictError:  # too late for it, which is no failure
            pass

    def decide(self) -> None:
        """Rulings, clips sent back, and other numbers of annotators, in no order."""
        rng = Random(1)
        ruled = RulingIn(decision="label", label="anger", reason="heard by the chief")
        for clip in rng.choices(self.made.clip_ids, k=60):
            try:
                with self.db.write() as session:
                    kind = rng.random()
                    if kind < 0.3:
                        rule(session, self.made.project_id, clip, ruled, self.chief, now=utcnow())
                    elif kind < 0.5:
                        back = SendBackIn(to="others", count=1, reason="once more")
                        send_back(session, self.made.project_id, clip, back, self.chief, now=utcnow())
                    else:
                        set_overlap(session, self.made.round_id, clip, rng.randint(1, 3), now=utcnow())
            except (ConflictError, NotFoundError):
                pass

    def _kept(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # a thread's failure must reach the test
            self.failures.append(error)


@pytest.mark.parametrize("settings", [{}, ROUTED], ids=["overlap", "routed"])
@pytest.mark.parametrize("early", [False, True], ids=["to its end", "closed early"])
def test_everybody_at_once_waits_for_nobody_who_waits(
    database: Database, annotating: Any, settings: dict[str, Any], early: bool
) -> None:
    made = annotating(database, 12, 1 if settings else 2, LEASE_S, skips=SKIPS, **settings)
    crowd = Crowd(database, made, 16)

    def close() -> None:
        time.sleep(0.3)  # into the thick of it
        with database.write() as session:
            close_round(session, made.round_id, now=utcnow())

    annotators = [lambda account=account: crowd.annotate(account) for account in crowd.accounts]
    crowd.run(crowd.decide, *annotators, *([close] if early else []))
    assert all(isinstance(error, ConflictError) for error in crowd.failures), crowd.failures
    with database.read() as session:
        ended = session.get_one(Round, made.round_id).state
    assert ended in (RoundState.FINE_TUNING, RoundState.ANNOTATING)
    if early:
        assert ended == RoundState.FINE_TUNING


def test_the_last_answer_leaves_a_round_to_who_has_it(database: Database, annotating: Any) -> None:
    made = annotating(database, 1, 1, LEASE_S)
    crowd = Crowd(database, made, 1)
    (account,) = crowd.accounts
    if database.is_sqlite:
        pytest.skip("SQLite's writers are alone")
    with database.write() as session:
        (lease,) = offers.offer(session, made.project_id, account, 1, now=utcnow()).leases
    given = service.Answer(lease.id, "anger", None, None, None)
    with database.write() as other:
        closing.hold_open(other, made.round_id)  # as an undo does, before it wants assignments
        with database.write() as session:
            stored = service.answer(session, given, account, "once", now=utcnow())  # did not wait
    assert stored.ending == (made.project_id, made.round_id)
    with database.write() as session:
        assert closing.close_if_done(session, made.project_id, made.round_id, now=utcnow())
