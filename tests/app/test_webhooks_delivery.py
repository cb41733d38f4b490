"""Deliveries to a real server that fails, hangs, dies and recovers; and a worker killed in the middle."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import func, select

from app.db import Database, utcnow
from app.jobs import queue
from app.models import Delivery, DeliveryAttempt, OutboxEvent, Webhook
from app.projects.service import create_project
from app.settings import Settings
from app.specs import Scheme
from app.webhooks import deliveries, outbox, signing
from app.webhooks.courier import Courier
from app.webhooks.service import create_webhook
from app.worker import Worker

WORK = """
import sys, threading
from app.settings import Settings
from app.webhooks.courier import Courier
Courier(Settings.model_validate_json(sys.stdin.readline())).run_forever(threading.Event())
"""


class Receiver:
    """A server that keeps what it gets and answers as `behave` says: a status, or None to hang until it is closed."""

    def __init__(self, behave: Callable[[int], int | None] = lambda _: 204, seconds: float = 0.0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.behave, self.closing = behave, threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) < int(self.headers["Content-Length"]):
                    return  # the courier was killed half way through
                receiver.got.append((dict(self.headers), body))
                status = receiver.behave(len(receiver.got))
                receiver.closing.wait(seconds if status is not None else 60)
                if status is None:
                    return
                if status == 302:
                    self.send_response(302)
                    self.send_header("Location", "/elsewhere")
                else:
                    self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    @property
    def events(self) -> list[int]:
        """The ids of the events that came, in the order they came."""
        return [json.loads(body)["id"] for _, body in self.got]

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receivers() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(*arguments: Any, **named: Any) -> Receiver:
        made.append(Receiver(*arguments, **named))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def quick(settings: Settings) -> Settings:
    changes = {"webhook_allow_private": True, "webhook_backoff_s": 0.05, "webhook_timeout_s": 10.0, "poll_s": 0.02}
    return settings.model_copy(update=changes)


@pytest.fixture
def impatient(quick: Settings) -> Settings:
    """A courier for receivers that hang; on a busy machine it gives up one that works now and then."""
    return quick.model_copy(update={"webhook_timeout_s": 0.5})


@pytest.fixture
def project(database: Database) -> int:
    with database.write() as session:
        scheme = Scheme(("anger", "neutral"))
        return create_project(session, name="p", scheme=scheme, encoder="none", now=utcnow()).id


def _hook(database: Database, project_id: int, url: str) -> Webhook:
    with database.write() as session:
        return create_webhook(session, project_id, url, [], now=utcnow())


def _emit(database: Database, project_id: int, n: int = 1) -> None:
    for number in range(n):
        with database.write() as session:
            outbox.emit(session, project_id, "round.ready", {"number": number})


def _states(database: Database) -> Counter[str]:
    with database.read() as session:
        return Counter(session.scalars(select(Delivery.state)))


def _wait(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def _courier(settings: Settings) -> Iterator[None]:
    with Courier(settings).running():
        yield


def test_every_event_arrives_signed_once_and_in_order(database, project, quick, receivers):
    receiver = receivers()
    hook = _hook(database, project, receiver.url)
    _emit(database, project, 40)
    with _courier(quick):
        _wait(lambda: _states(database) == {"delivered": 40})
    assert receiver.events == sorted(receiver.events)
    assert len(set(receiver.events)) == 40
    for headers, body in receiver.got:
        given = {name.lower(): value for name, value in headers.items()}
        assert given["webhook-id"] == str(json.loads(body)["id"])
        assert signing.verify(
            hook.secret, given["webhook-id"], given["webhook-timestamp"], body, given["webhook-signature"], time.time()
        )


def test_a_receiver_that_fails_and_recovers_gets_everything(database, project, quick, receivers):
    receiver = receivers(lambda n: 503 if n <= 6 else 200)
    _hook(database, project, receiver.url)
    _emit(database, project, 3)
    with _courier(quick):
        _wait(lambda: _states(database) == {"delivered": 3})
    with database.read() as session:
        log = session.execute(select(DeliveryAttempt.status, func.count()).group_by(DeliveryAttempt.status))
        assert dict(log.all()) == {503: 6, 200: 3}
        assert session.scalar(select(DeliveryAttempt.detail).limit(1)) == "ok"


def test_what_fails_for_the_last_time_is_given_up_and_can_be_replayed(database, project, quick, receivers, serve):
    receiver = receivers(lambda n: 500 if n <= 3 else 200)
    quick = quick.model_copy(update={"webhook_attempts": 3})
    hook = _hook(database, project, receiver.url)
    _emit(database, project)
    with _courier(quick):
        _wait(lambda: _states(database) == {"given_up": 1})
    with serve(quick) as api:
        page = api.get(f"/webhooks/{hook.id}/deliveries?state=given_up").json()["items"]
        assert [(row["kind"], row["attempts"]) for row in page] == [("round.ready", 3)]
        assert [attempt["status"] for attempt in page[0]["log"]] == [500, 500, 500]
        assert api.post(f"/webhooks/{hook.id}/replay").json() == {"replayed": 1}
        with _courier(quick):
            _wait(lambda: _states(database) == {"delivered": 1})
        again = api.post(f"/deliveries/{page[0]['id']}/replay").json()
        assert (again["state"], again["attempts"]) == ("pending", 0)
        with _courier(quick):
            _wait(lambda: _states(database) == {"delivered": 1})
        assert [entry["status"] for entry in api.get(f"/webhooks/{hook.id}/deliveries").json()["items"][0]["log"]] == [
            *(500, 500, 500),
            *(200, 200),
        ]
    assert len(set(receiver.events)) == 1


def test_a_receiver_that_hangs_holds_up_nobody_else(database, project, impatient, receivers):
    hangs, works = receivers(lambda _: None), receivers()
    _hook(database, project, hangs.url)
    _hook(database, project, works.url)
    _emit(database, project, 30)
    with _courier(impatient):
        _wait(lambda: len(set(works.events)) == 30)
        _wait(lambda: _states(database)["delivered"] == 30)
    with database.read() as session:
        details = set(session.scalars(select(DeliveryAttempt.detail).where(DeliveryAttempt.status.is_(None))))
    assert details == {"no answer within 0.5 s"}


def test_an_answer_that_drips_byte_by_byte_ends_at_the_limit(database, project, impatient):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                try:
                    for _ in range(600):
                        connection.sendall(b"x")
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        _hook(database, project, f"http://127.0.0.1:{server.getsockname()[1]}/")
        _emit(database, project)
        begun = time.monotonic()
        with _courier(impatient):
            _wait(lambda: _attempts(database) == 1)
        assert time.monotonic() - begun < 15  # the answer itself takes a minute


def _attempts(database: Database) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).select_from(DeliveryAttempt)).one()


def test_nobody_at_the_address_and_redirects_are_failures(database, project, quick, receivers):
    moved = receivers(lambda _: 302)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/"
    quick = quick.model_copy(update={"webhook_attempts": 1})
    _hook(database, project, moved.url)
    _hook(database, project, nobody)
    _emit(database, project)
    with _courier(quick):
        _wait(lambda: _states(database) == {"given_up": 2})
    with database.read() as session:
        found = dict(session.execute(select(DeliveryAttempt.status, DeliveryAttempt.detail)).all())
    assert found.keys() == {302, None}
    assert "refused" in found[None]
    assert len(moved.got) == 1


def test_a_private_address_is_refused_at_every_try_too(database, project, quick, receivers):
    receiver = receivers()
    _hook(database, project, receiver.url)
    _emit(database, project)
    with _courier(quick.model_copy(update={"webhook_allow_private": False, "webhook_attempts": 2})):
        _wait(lambda: _states(database) == {"given_up": 1})
    assert receiver.got == []


def test_a_pause_keeps_what_waits_and_tells_nothing_of_what_happens_meanwhile(database, project, quick, receivers):
    receiver = receivers()
    hook = _hook(database, project, receiver.url)
    _emit(database, project)
    with database.write() as session:
        deliveries.fan_out(session, [event.id for event in deliveries.waiting(session)], now=utcnow())
        session.get_one(Webhook, hook.id).paused_at = utcnow()
    _emit(database, project, 5)
    with _courier(quick):
        time.sleep(0.3)
        assert receiver.got == []
        with database.write() as session:
            session.get_one(Webhook, hook.id).paused_at = None
        _wait(lambda: _states(database) == {"delivered": 1})


def test_a_courier_that_comes_late_overwrites_nothing(database, project, quick):
    _hook(database, project, "http://127.0.0.1:1/")
    _emit(database, project)
    late = utcnow()
    with database.write() as session:
        deliveries.fan_out(session, [event.id for event in deliveries.waiting(session)], now=late)
        (letter,) = deliveries.claim(session, 0.0, now=late)
    with database.write() as session:
        (successor,) = deliveries.claim(session, 60.0, now=utcnow())
        assert (successor.delivery_id, successor.fence) == (letter.delivery_id, letter.fence + 1)
    refused = deliveries.Outcome(None, 0.1, "late")
    with database.write() as session:
        deliveries.record(session, [(letter, refused)], 1, 1.0, now=utcnow())
    assert _states(database) == {"pending": 1}
    with database.write() as session:
        deliveries.record(session, [(successor, deliveries.Outcome(200, 0.1, ""))], 1, 1.0, now=utcnow())
    assert _states(database) == {"delivered": 1}


def test_a_ping_reaches_its_webhook_alone(database, project, quick, receivers, serve):
    one, other = receivers(), receivers()
    hook = _hook(database, project, one.url)
    _hook(database, project, other.url)
    with serve(quick) as api:
        assert api.post(f"/webhooks/{hook.id}/ping").status_code == 202
    with _courier(quick):
        _wait(lambda: len(one.got) == 1)
    assert other.got == []


@pytest.mark.skipif(sys.platform != "linux", reason="kill -9")
def test_nothing_is_lost_when_the_worker_is_killed_again_and_again(database, project, quick, receivers):
    """60 events, a receiver that takes 5 ms, and a courier killed five times at whatever it is doing."""
    receiver = receivers(seconds=0.005)
    _hook(database, project, receiver.url)
    settings = quick.model_copy(update={"webhook_lease_s": 1.0})
    emitted = 0
    for _ in range(5):
        _emit(database, project, 12)
        emitted += 12
        with _process(settings) as courier:
            seen = len(receiver.got)
            _wait(lambda seen=seen: len(receiver.got) > seen)
            time.sleep(0.05)
            courier.kill()
    with _process(settings):
        _wait(lambda: _states(database) == {"delivered": emitted}, seconds=60)
    with database.read() as session:
        ids = set(session.scalars(select(OutboxEvent.id)))
    assert set(receiver.events) == ids
    assert len(ids) == emitted
    twice = len(receiver.events) - emitted
    assert 0 <= twice <= 5 * deliveries.LETTERS_AT_ONCE


@contextmanager
def _process(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    courier = subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, env=os.environ.copy())
    assert courier.stdin is not None
    courier.stdin.write(settings.model_dump_json().encode() + b"\n")
    courier.stdin.flush()
    try:
        yield courier
    finally:
        courier.kill()
        courier.wait()


def test_a_long_job_does_not_hold_up_what_the_worker_delivers(database, project, quick, receivers):
    class Busy:
        """An executor whose job goes on until it is killed."""

        started = False

        def start(self, claim: object) -> None:
            self.started = True

        def wait(self, seconds: float) -> None:
            time.sleep(seconds)

        def kill(self) -> None:
            """Nothing runs."""

        def close(self) -> None:
            """Nothing is open."""

    receiver, busy, stop = receivers(), Busy(), threading.Event()
    _hook(database, project, receiver.url)
    with database.write() as session:
        queue.enqueue(session, "embed", project, now=utcnow())
    worker = threading.Thread(target=Worker(quick, lambda _: busy).run_forever, args=[stop])
    worker.start()
    try:
        _wait(lambda: busy.started)
        _emit(database, project, 3)
        _wait(lambda: _states(database) == {"delivered": 3})
    finally:
        stop.set()
        worker.join()
