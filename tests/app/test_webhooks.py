"""Webhooks: who is told, what is refused, what is signed, and what the outbox holds."""

import base64
import hashlib
import hmac
import json
import socket

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, utcnow
from app.models import LabelStudioLink, OutboxEvent, Webhook
from app.projects.service import create_project
from app.specs import Scheme
from app.webhooks import addresses, deliveries, outbox, signing
from app.webhooks.sending import Letter


@pytest.fixture
def project(database: Database) -> int:
    with database.write() as session:
        scheme = Scheme(("anger", "neutral"))
        return create_project(session, name="p", scheme=scheme, encoder="none", now=utcnow()).id


@pytest.fixture
def private_allowed(settings, serve):
    with serve(settings.model_copy(update={"webhook_allow_private": True})) as api:
        yield api


def _hook(session: Session, project_id: int, **fields: object) -> Webhook:
    values = {"url": "http://127.0.0.1:1/", "kinds": [], "secret": signing.new_secret(), "created_at": utcnow()}
    hook = Webhook(project_id=project_id, **(values | fields))
    session.add(hook)
    session.flush()
    return hook


def _events(database: Database) -> list[OutboxEvent]:
    with database.read() as session:
        return list(session.scalars(select(OutboxEvent).order_by(OutboxEvent.id)))


def test_an_event_exists_exactly_if_its_transaction_committed(database, project):
    with database.write() as session:
        _hook(session, project)
    with pytest.raises(RuntimeError), database.write() as session:
        outbox.emit(session, project, "round.ready", {"round_id": 1})
        raise RuntimeError("the change failed")
    assert _events(database) == []
    with database.write() as session:
        outbox.emit(session, project, "round.ready", {"round_id": 1})
    assert [(event.kind, event.payload, event.fanned_out) for event in _events(database)] == [
        ("round.ready", {"round_id": 1}, False)
    ]


@pytest.mark.parametrize("told", ["nobody", "a paused webhook", "another project's", "a webhook", "label studio"])
def test_nothing_is_stored_while_nobody_wants_to_know(database, project, told):
    with database.write() as session:
        scheme = Scheme(("anger", "neutral"))
        other = create_project(session, name="q", scheme=scheme, encoder="none", now=utcnow()).id
        if told == "a paused webhook":
            _hook(session, project, paused_at=utcnow())
        elif told == "another project's":
            _hook(session, other)
        elif told == "a webhook":
            _hook(session, project)
        elif told == "label studio":
            link = {"url": "http://ls", "token": "t", "their_project": 1, "our_url": "http://us", "secret": "s"}
            session.add(LabelStudioLink(project_id=project, people={}, follow=True, created_at=utcnow(), **link))
            session.flush()
        outbox.emit(session, project, "round.ready", {"round_id": 1})
    assert len(_events(database)) == (told in ("a webhook", "label studio"))


def test_an_event_goes_once_to_each_webhook_that_wants_it(database, project):
    with database.write() as session:
        everything, rounds, answers, paused = (
            _hook(session, project, kinds=kinds, paused_at=at)
            for kinds, at in (([], None), (["round.ready"], None), (["annotation.created"], None), ([], utcnow()))
        )
        outbox.emit(session, project, "round.ready", {})
    for _ in range(2):
        with database.write() as session:
            deliveries.fan_out(session, [event.id for event in deliveries.waiting(session)], now=utcnow())
    with database.read() as session:
        found = {hook.id: len(_deliveries(session, hook)) for hook in (everything, rounds, answers, paused)}
    assert found == {everything.id: 1, rounds.id: 1, answers.id: 0, paused.id: 0}


def _deliveries(session: Session, hook: Webhook) -> list:
    return list(session.scalars(select(deliveries.Delivery).where(deliveries.Delivery.webhook_id == hook.id)))


def test_a_signature_is_what_the_convention_says():
    """A second, literal implementation, and the convention's own published example."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signing.sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    literal = hmac.new(key, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body, hashlib.sha256).digest()
    assert signed == "v1," + base64.b64encode(literal).decode()


@pytest.mark.parametrize("spoilt", ["nothing", "body", "time", "old", "secret"])
def test_only_a_fresh_message_of_ours_verifies(spoilt):
    secret, body, now = signing.new_secret(), b"{}", 1_700_000_000
    sent = signing.sign(secret, "7", now, body)
    other = signing.new_secret() if spoilt == "secret" else secret
    when = now + 1 if spoilt == "time" else now
    seen = now + 301 if spoilt == "old" else now
    given = b"{ }" if spoilt == "body" else body
    assert signing.verify(other, "7", str(when), given, f"v1,bm90aGluZw== {sent}", seen) is (spoilt == "nothing")


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a00:1", "2002:7f00:1::", "2001:0:1234::1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255"),
]


@pytest.mark.parametrize("ip", PRIVATE)
def test_no_address_of_a_private_network_is_public(ip):
    assert not addresses.is_public(ip)


@pytest.mark.parametrize(
    "ip", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(ip):
    assert addresses.is_public(ip)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost:5432/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/"),
        *(
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:10.0.0.1]/",
            "ftp://example.org/",
            "//example.org",
        ),
        *("http://", "http://user:pass@93.184.215.14/", "http://93.184.215.14/a b", "http://93.184.215.14:99999/"),
        *("http://no-such-host.invalid/", "http://93.184.215.14/\r\nHost:x", "javascript:alert(1)", "http://[::1"),
    ],
)
def test_a_webhook_cannot_name_an_address_inside_or_nonsense(api, url):
    answer = api.post(f"/projects/{api.project()}/webhooks", json={"url": url})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_name_that_turns_private_is_refused_when_it_is_called(monkeypatch):
    """DNS rebinding: the check is made where the connection is, and the connection goes to what was checked."""
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def resolved(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert addresses.resolve("http://turns.example/", allow_private=False).ip == "93.184.215.14"
    with pytest.raises(addresses.AddressError, match=r"127\.0\.0\.1"):
        addresses.resolve("http://turns.example/", allow_private=False)


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    ips = ["93.184.215.14", "10.0.0.1"]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ips]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(addresses.AddressError):
        addresses.resolve("http://both.example/", allow_private=False)


def test_a_secret_is_shown_once_and_can_be_replaced(private_allowed):
    api = private_allowed
    project_id = api.project()
    made = api.post(f"/projects/{project_id}/webhooks", json={"url": "http://127.0.0.1:1/", "kinds": ["round.ready"]})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    listed = api.get(f"/projects/{project_id}/webhooks").json()["items"]
    assert [hook["id"] for hook in listed] == [made.json()["id"]]
    assert "secret" not in listed[0]
    other = api.post(f"/webhooks/{made.json()['id']}/secret").json()["secret"]
    assert other.startswith("whsec_")
    assert other != made.json()["secret"]


def test_webhooks_are_changed_paused_and_removed(private_allowed):
    api = private_allowed
    hook = api.post(f"/projects/{api.project()}/webhooks", json={"url": "http://127.0.0.1:1/"}).json()["id"]
    changed = api.call("PATCH", f"/webhooks/{hook}", json={"kinds": ["ping"], "paused": True}).json()
    assert changed["kinds"] == ["ping"]
    assert changed["paused_at"] is not None
    assert api.call("PATCH", f"/webhooks/{hook}", json={"paused": False}).json()["paused_at"] is None
    assert api.call("PATCH", f"/webhooks/{hook}", json={"url": "nonsense"}).status_code == 422
    assert api.call("DELETE", f"/webhooks/{hook}").status_code == 204
    assert api.get(f"/webhooks/{hook}/deliveries").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "annotator"])
def test_only_operators_see_webhooks(api, role):
    project_id = api.project()
    assert api.get(f"/projects/{project_id}/webhooks", role).status_code == 403
    assert api.post(f"/projects/{project_id}/webhooks", role, json={"url": "http://93.184.215.14/"}).status_code == 403


def test_an_unknown_event_or_webhook_is_refused_by_name(api):
    project_id = api.project()
    answer = api.post(f"/projects/{project_id}/webhooks", json={"url": "http://93.184.215.14/", "kinds": ["no.such"]})
    assert answer.status_code == 422
    for path in ("/webhooks/999/ping", "/webhooks/999/replay", "/deliveries/999/replay", "/webhooks/999/secret"):
        assert api.post(path).status_code == 404


def test_the_bytes_of_an_event_are_the_same_at_every_try():
    letter = Letter(1, 1, "http://x", "whsec_", 7, "round.ready", 3, utcnow(), {"name": "ängstlich"})
    told = json.loads(letter.body)
    assert letter.body == letter.body
    assert (told["id"], told["kind"], told["project_id"], told["data"]) == (7, "round.ready", 3, {"name": "ängstlich"})


def test_waits_double_up_to_an_hour_and_differ():
    waits = [[deliveries.wait_s(attempt, 5.0) for _ in range(200)] for attempt in range(1, 14)]
    for attempt, found in enumerate(waits):
        middle = min(5.0 * 2**attempt, 3600.0)
        assert all(middle * 0.5 <= wait <= middle * 1.5 for wait in found)
        assert len(set(found)) > 100
