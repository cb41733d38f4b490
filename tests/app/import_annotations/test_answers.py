"""Answers from elsewhere: what goes out comes back unchanged, what is new is created once, what cannot be is named."""

import io
import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.db import utcnow
from app.exports import snapshots
from app.exports.service import export
from app.imports.annotations import import_annotations
from app.imports.ours import read_jsonl
from app.imports.theirs import read_tasks
from app.jobs import queue
from app.jobs.child import run_job
from app.jobs.pool import pool_of_arm
from app.labels.service import count_bought, of_arm
from app.models import Account, Adjudication, Annotation, Arm, Assignment, FormerScheme, Project, Round
from app.specs import read_scheme
from app.storage import Storage

FORMATS = ["jsonl", "csv", "label_studio"]


def _events(api, project_id: int) -> list[Annotation]:
    with api.db.read() as session:
        return list(
            session.scalars(select(Annotation).where(Annotation.project_id == project_id).order_by(Annotation.id))
        )


def _text(api, project_id: int, what: str, format: str) -> str:
    return "".join(export(api.db, project_id, what, format))


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_project_exports_it_finds_unchanged(api, bring, storied, format):
    before = _events(api, storied)
    report = bring(storied, _text(api, storied, "annotations", format).encode(), format)
    assert (report.created, report.revised, report.rulings, report.conflict, report.refused) == (0, 0, 0, 0, 0)
    assert report.unchanged > 0
    assert report.made == ()
    assert [event.id for event in _events(api, storied)] == [event.id for event in before]


@pytest.mark.parametrize("format", FORMATS)
def test_another_project_takes_everything_once_and_tells_the_same_story(api, bring, storied, wav_bytes, format):
    other = _twin(api, storied, wav_bytes)
    told = _text(api, storied, "annotations", format).encode()
    first, second = bring(other, told, format), bring(other, told, format)
    assert (first.conflict, first.refused, first.remarks) == (0, 0, ())
    assert first.rulings == 1
    assert (second.created, second.rulings, second.revised) == (0, 0, 0)
    assert second.unchanged == first.created + first.revised + first.rulings
    assert _story(api, other, "labels") == _story(api, storied, "labels")
    if format != "label_studio":  # which has only what holds
        assert _story(api, other, "annotations") == _story(api, storied, "annotations")
    again = _text(api, other, "annotations", format).encode()
    assert bring(storied, again, format).created == 0


def _twin(api, project_id: int, wav_bytes) -> int:
    """A project of the same clips and scheme, without an answer."""
    other = api.project(
        "twin", classes=["anger", "joy", "neutral"], dimensions=[{"name": "arousal", "low": 1, "high": 7}]
    )
    for seed in range(7):
        more = {"split": "test", "label": "neutral"} if seed == 6 else {"speaker": f"s{seed}"}
        api.upload(other, wav_bytes(seed=seed), external_id=f"c{seed}", **more)
    with api.db.write() as session:
        former = session.scalars(select(FormerScheme).where(FormerScheme.project_id == project_id)).one()
        values = {column.name: getattr(former, column.name) for column in FormerScheme.__table__.columns}
        session.add(FormerScheme(**(values | {"id": None, "project_id": other})))
        session.get_one(Project, other).scheme_version = 2
    return other


def _story(api, project_id: int, what: str) -> list[dict[str, Any]]:
    """An export without the ids, which differ between projects."""
    rows = [json.loads(line) for line in _text(api, project_id, what, "jsonl").splitlines()]
    numbers = {row.get("annotation_id"): i for i, row in enumerate(rows)}
    told = []
    for row in rows:
        if row.get("supersedes_id") is not None:
            row["supersedes_id"] = numbers[row["supersedes_id"]]
        if row.get("adjudication"):
            row["adjudication"].pop("adjudication_id")
        told.append({name: value for name, value in row.items() if name not in ("clip_id", "annotation_id")})
    return told


def test_an_import_killed_in_the_middle_is_finished_by_the_next(api, bring, storied, wav_bytes):
    other = _twin(api, storied, wav_bytes)
    told = _text(api, storied, "annotations", "jsonl").encode()
    half = import_annotations(api.db, other, io.BytesIO(told[: told.index(b'"c2"')].rsplit(b"\n", 1)[0]), "jsonl")
    assert list(half)[-1].created == 5
    report = bring(other, told)
    assert (report.created, report.unchanged) == (6, 6)
    assert _story(api, other, "annotations") == _story(api, storied, "annotations")


def test_people_are_mapped_found_or_made_without_a_way_in(api, bring, project):
    rows = [{"external_id": "c0", "annotator": name, "annotation": "anger"} for name in ("annotator", "x@y.org", "zoe")]
    report = bring(project, rows, annotators={"x@y.org": "operator"})
    assert (report.created, report.made) == (3, ("zoe",))
    with api.db.read() as session:
        names = session.scalars(
            select(Account.name).join(Annotation, Annotation.account_id == Account.id).order_by(Annotation.id)
        )
        assert list(names) == ["annotator", "operator", "zoe"]
        made = session.scalars(select(Account).where(Account.name == "zoe")).one()
        assert (made.role, made.revoked_at is not None) == ("annotator", True)


def test_nobody_is_made_where_the_operator_does_not_want_it(bring, project):
    report = bring(project, [{"external_id": "c0", "annotator": "zoe", "annotation": "anger"}], make_accounts=False)
    assert (report.created, report.refused, report.made) == (0, 1, ())
    assert report.remarks[0].code == "unknown_annotator"


GOOD = {"external_id": "c0", "annotator": "a", "annotation": "anger"}


BAD: list[tuple[Any, str]] = [
    ({**GOOD, "external_id": "c9"}, "unknown_clip"),
    ({**GOOD, "asset_sha256": "0" * 64}, "unknown_clip"),
    ({"annotator": "a", "annotation": "anger"}, "malformed"),
    ({"external_id": "c0", "annotation": "anger"}, "malformed"),
    ({**GOOD, "annotation": "boredom"}, "invalid"),
    ({**GOOD, "annotation": None}, "invalid"),
    ({**GOOD, "scheme_version": 7}, "invalid"),
    ({**GOOD, "annotation": None, "skip_reason": "no reason"}, "invalid"),
    ({**GOOD, "kind": "strange"}, "invalid"),
    ({**GOOD, "annotated_at": "yesterday"}, "malformed"),
    ({**GOOD, "dimensions": {"arousal": 3}}, "invalid"),
    ({**GOOD, "intensities": {"anger": -1}}, "invalid"),
    ({**GOOD, "seconds": "1e999"}, "malformed"),
    ({**GOOD, "comment": 7}, "malformed"),
    ({**GOOD, "annotator": "x" * 300}, "unknown_annotator"),
    (["no", "object"], "malformed"),
]


def test_rows_that_cannot_go_in_are_named_and_stop_nothing(bring, project):
    report = bring(project, [*(row for row, _ in BAD), {**GOOD, "external_id": "c1"}])
    assert (report.created, report.refused, report.conflict, report.made) == (1, len(BAD), 0, ("a",))
    told = [(remark.where, remark.code) for remark in report.remarks]
    assert told == [(f"line {place}", code) for place, (_, code) in enumerate(BAD, start=1)]
    assert all(remark.detail for remark in report.remarks)


BROKEN = [b"{broken\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b'{"a": ' + b'"x"' * 400_000 + b"\n"]


def test_lines_that_are_no_json_are_named(bring, project):
    report = bring(project, b"".join(BROKEN) + json.dumps(GOOD).encode())
    assert (report.created, report.refused) == (1, len(BROKEN))


NO_TASKS = [b"", b"[]", b"{}", b"[{", b"nonsense", b'[1, {"data": 3}, {"data": {}, "annotations": [7]}]']


def test_files_that_are_no_tasks_create_nothing(bring, project):
    for data in NO_TASKS:
        assert bring(project, data, "label_studio").created == 0


def test_an_answer_that_contradicts_another_of_its_annotator_is_a_conflict(api, bring, project):
    bring(project, [GOOD])
    report = bring(project, [{**GOOD, "annotation": "neutral"}])
    assert (report.created, report.conflict) == (0, 1)
    assert "annotation 1" in report.remarks[0].detail
    assert [event.label for event in _events(api, project)] == ["anger"]


def test_clips_are_found_by_their_audio_and_window(api, bring, project):
    clip = api.get(f"/projects/{project}/clips").json()["items"][2]
    named = {"asset_sha256": clip["asset_sha256"], "start_s": clip["start_s"], "end_s": clip["end_s"]}
    assert bring(project, [{**named, "annotator": "a", "annotation": "anger"}]).created == 1
    assert _events(api, project)[0].clip_id == clip["id"]


def test_answers_to_an_open_rounds_clips_take_its_assignments_and_close_it(api, bring, annotating):
    made = annotating(api.db, clips=2, overlap=2)
    rows = [
        {"external_id": f"calls {place}", "annotator": name, "annotation": "anger"}
        for place in range(2)
        for name in ("annotator", "operator")
    ]
    report = bring(made.project_id, rows[:3])
    assert report.created == 3
    with api.db.read() as session:
        states = session.scalars(select(Assignment.state).where(Assignment.round_id == made.round_id)).all()
        assert sorted(states) == ["done", "done", "done", "open"]
    bring(made.project_id, rows)
    with api.db.read() as session:
        assert session.get_one(Round, made.round_id).state == "fine_tuning"
        assert session.scalar(select(func.count()).select_from(Assignment)) == 4


def test_an_answer_beside_the_queue_takes_nothing_from_it(api, bring, annotating):
    """The third opinion on a clip that wants one: it is kept, and belongs to no round."""
    made = annotating(api.db, clips=1, overlap=1)
    rows = [{"external_id": "calls 0", "annotator": name, "annotation": "anger"} for name in ("a", "b", "c")]
    assert bring(made.project_id, rows).created == 3
    with api.db.read() as session:
        assert session.scalars(select(Assignment.round_id).order_by(Assignment.id)).all() == [made.round_id, None, None]


def _task(clip: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"audio": "x.wav", "external_id": clip}, "annotations": list(annotations)}


def _choice(name: str, label: str, **more: Any) -> dict[str, Any]:
    region = {"from_name": name, "to_name": "audio", "type": "choices", "value": {"choices": [label]}}
    return {
        "completed_by": {"id": 3, "email": "ann@y.org"},
        "result": [region],
        "created_at": "2026-01-31T09:00:00Z",
    } | more


def test_somebody_elses_label_studio_project_is_read_by_type(api, bring, project):
    texts = {"from_name": "note", "type": "textarea", "value": {"text": ["loud"]}}
    first = _choice("sentiment", "anger", id=1, lead_time=3.5)
    first["result"].append(texts)
    tasks = [
        _task("c0", first),
        _task("c1", _choice("sentiment", "neutral", id=2, completed_by=9, was_cancelled=True)),
        _task("c2", _choice("sentiment", "anger", id=3, completed_by=12)),
    ]
    report = bring(project, json.dumps(tasks).encode(), "label_studio", names={12: "bob@y.org"})
    assert (report.created, report.refused) == (3, 0)
    assert report.made == ("ann@y.org", "label-studio 9", "bob@y.org")
    events = _events(api, project)
    assert [(event.label, event.skip_reason, event.comment) for event in events] == [
        ("anger", None, "loud"),
        (None, "unsure", None),
        ("anger", None, None),
    ]
    assert events[0].seconds == 3.5


def test_two_blocks_that_could_be_the_class_are_refused(bring, project):
    both = _choice("one", "anger", id=1)
    both["result"] += _choice("two", "neutral")["result"]
    report = bring(project, json.dumps([_task("c0", both)]).encode(), "label_studio")
    assert (report.created, report.refused) == (0, 1)
    assert "2 blocks of choices" in report.remarks[0].detail


def test_an_answer_changed_in_label_studio_is_a_revision_and_a_touched_one_is_none(api, bring, project):
    def told(label: str, at: str) -> bytes:
        return json.dumps([_task("c0", _choice("emotion", label, unique_id="u-1", updated_at=at))]).encode()

    assert bring(project, told("anger", "2026-01-31T09:00:00Z"), "label_studio").created == 1
    assert bring(project, told("anger", "2026-01-31T10:00:00Z"), "label_studio").unchanged == 1
    assert bring(project, told("neutral", "2026-01-31T11:00:00Z"), "label_studio").revised == 1
    assert bring(project, told("neutral", "2026-01-31T11:00:00Z"), "label_studio").unchanged == 1
    first, second = _events(api, project)
    assert (first.label, second.label, second.supersedes_id) == ("anger", "neutral", first.id)


def test_a_file_is_uploaded_and_a_job_reports(api, settings, storied, wav_bytes):
    other = _twin(api, storied, wav_bytes)
    told = _text(api, storied, "annotations", "jsonl")
    request = {"files": {"file": ("a.jsonl", told)}, "data": {"format": "jsonl", "annotators": '{"annotator": "zoe"}'}}
    answer = api.post(f"/projects/{other}/annotation-imports", **request)
    assert answer.status_code == 202
    with api.db.write() as session:
        session.execute(update(queue.Job).where(queue.Job.kind != "import_annotations").values(state="succeeded"))
        claim = queue.claim(session, "test", 60, now=utcnow())
    run_job(settings, api.db, claim)
    job = api.get(f"/jobs/{answer.json()['id']}").json()
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert (job["result"]["created"], job["result"]["rulings"], job["result"]["made"]) == (11, 1, ["zoe"])


@pytest.mark.parametrize(
    "data", [{"format": "xml"}, {"format": "csv", "annotators": "[1]"}, {"format": "csv", "annotators": "x"}]
)
def test_an_upload_that_cannot_be_read_is_malformed(api, data):
    answer = api.post(f"/projects/{api.project()}/annotation-imports", files={"file": ("a", b"x")}, data=data)
    assert answer.status_code == 422


def test_only_operators_import_answers(api):
    files = {"files": {"file": ("a", b"x")}, "data": {"format": "jsonl"}}
    assert api.post(f"/projects/{api.project()}/annotation-imports", "annotator", **files).status_code == 403
    assert api.post("/projects/999/annotation-imports", **files).status_code == 404


class _Endless(io.RawIOBase):
    """A file of a million bytes a part that is never whole anywhere."""

    def __init__(self, begin: bytes, part: bytes, n: int, end: bytes) -> None:
        self._parts = iter([begin, *([part] * n), end])
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = part
        n = min(len(buffer), len(self._left))
        buffer[:n], self._left = self._left[:n], self._left[n:]
        return n


@pytest.mark.parametrize("format", ["jsonl", "label_studio"])
def test_ten_thousand_rows_are_read_in_the_memory_of_one(format):
    import tracemalloc

    if format == "jsonl":
        file = io.BufferedReader(_Endless(b"", json.dumps(GOOD).encode() + b"\n", 10_000, b""))
        rows = read_jsonl(file)
    else:
        task = json.dumps(_task("c0", _choice("emotion", "anger", id=1))).encode()
        rows = read_tasks(io.BufferedReader(_Endless(b"[", task + b",", 9_999, task + b"]")), {})
    tracemalloc.start()
    n = sum(1 for _ in rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == 10_000
    assert peak < 2_000_000


def test_rulings_come_once_with_their_reason(api, bring, project):
    ruling = {"adjudication_id": 4, "decision": "label", "label": "anger", "dimensions": None, "scheme_version": 1,
              "adjudicator": "carol", "reason": "clear", "decided_at": "2026-01-31T09:00:00+00:00"}  # fmt: skip
    rows = [{**GOOD, "annotator": name, "adjudication": ruling} for name in ("a", "b")]
    first, second = bring(project, rows), bring(project, rows)
    assert (first.created, first.rulings, second.rulings) == (2, 1, 0)
    with api.db.read() as session:
        (stored,) = session.scalars(select(Adjudication))
    assert (stored.reason, stored.created_at.isoformat()) == ("clear", "2026-01-31T09:00:00+00:00")


def test_a_snapshot_in_every_text_format_can_be_imported_again(api, bring, settings, storied):
    storage = Storage(settings.blobs)
    for format in FORMATS:
        written = snapshots.build(api.db, storage, storied, format, "annotations")
        with storage.open(written.sha256) as file:
            report = list(import_annotations(api.db, storied, file, format))[-1]
        assert (report.created, report.conflict, report.refused) == (0, 0, 0)


def test_answers_to_clips_that_no_round_picked_train_both_arms_and_cost_nothing(api, bring, project):
    rows = [
        {"external_id": f"c{i}", "annotator": "alice", "annotation": label} for i, label in enumerate(["anger"] * 2)
    ]
    assert bring(project, rows).created == 2
    with api.db.read() as session:
        scheme = read_scheme(session.get_one(Project, project).scheme)
        arms = [of_arm(session, project, arm, scheme) for arm in ("strategy", "control")]
        training = [label.clip_id for label in arms[0]]
        left = pool_of_arm(session, project, Arm.STRATEGY, [*training, 3], known=set())
        assert count_bought(session, project) == 0
    assert arms[0] == arms[1]
    assert [(label.name, label.n_answers) for label in arms[0]] == [("anger", 0)] * 2
    assert left == [3]
    exported = [json.loads(line) for line in _text(api, project, "labels", "jsonl").splitlines()]
    assert [(row["clip_id"], row["label"], row["source"]) for row in exported] == [
        (clip_id, "anger", "annotations") for clip_id in training
    ]


def test_answers_to_test_clips_never_train(api, bring, wav_bytes):
    project = api.project()
    api.upload(project, wav_bytes(seed=9), external_id="held out", split="test")
    assert bring(project, [{"external_id": "held out", "annotator": "alice", "annotation": "anger"}]).created == 1
    with api.db.read() as session:
        assert of_arm(session, project, "strategy", read_scheme(session.get_one(Project, project).scheme)) == []
