"""Leaks in the service: refused at upload, when a round opens, before TAPT, and again before training; told as ids."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.clips.leaks import LeakRefusedError, refuse_leaks
from app.models import Clip, Project, Round


@pytest.fixture
def project(api: Any, wav_bytes: Callable[..., bytes]) -> tuple[int, list[int]]:
    """Two clips of train, two of test; the texts of the first of each are the same."""
    made = api.project()
    ids = []
    for seed, (speaker, split, text) in enumerate(
        [("a", "train", "dogs"), ("b", "train", "cats"), ("c", "test", "dogs"), ("d", "test", "owls")]
    ):
        answer = api.upload(
            made, wav_bytes(seed=seed), speaker=speaker, split=split, text=text, session=f"with {speaker}"
        )
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
    return made, ids


def change(api: Any, clip_id: int, **columns: Any) -> None:
    """As a row that was written before uploads were checked."""
    with api.db.write() as session:
        session.execute(update(Clip).where(Clip.id == clip_id).values(**columns))


def test_a_clip_of_another_split_s_session_or_recording_is_refused_at_upload(
    api: Any, project: Any, wav_bytes: Any
) -> None:
    made, _ = project
    answer = api.upload(made, wav_bytes(seed=9), speaker="e", split="train", session="with c")
    assert answer.status_code == 409 and "session 'with c' is in the test split" in answer.json()["detail"]
    window = {"start_s": "0", "end_s": "0.3"}
    answer = api.upload(made, wav_bytes(seed=2), speaker="e", split="train", **window)
    assert answer.status_code == 409 and answer.json()["detail"].startswith("recording '")
    assert api.upload(made, wav_bytes(seed=2), speaker="c", split="test", **window).status_code == 201


@pytest.mark.parametrize("kind", ["speaker", "session", "recording"])
def test_a_round_over_leaking_splits_is_refused_with_the_clips_ids(api: Any, project: Any, kind: str) -> None:
    made, (first, _, third, _) = project
    with api.db.read() as session:
        source = session.get_one(Clip, first)
    same = {"speaker": {"speaker": "a"}, "session": {"session": "with a"}}
    change(api, third, **same.get(kind, {"asset_sha256": source.asset_sha256, "start_s": 0.1}))
    answer = api.post(f"/projects/{made}/rounds")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"] == "urn:afterloop:leak"
    assert (problem["kind"], problem["parts"], problem["clips"]) == (kind, ["train", "test"], [first, third])
    assert api.get(f"/projects/{made}/rounds").json()["items"] == []
    answer = api.post(f"/projects/{made}/tapt")
    assert answer.status_code == 409 and answer.json()["type"] == "urn:afterloop:leak"


def test_scripts_are_disjoint_only_where_the_project_says_so(api: Any, project: Any) -> None:
    made, (first, _, third, _) = project
    with api.db.read() as session:
        assert refuse_leaks(session, session.get_one(Project, made)) == []
    assert api.call("PATCH", f"/projects/{made}", json={"annotating": {"disjoint_scripts": True}}).status_code == 200
    problem = api.post(f"/projects/{made}/rounds").json()
    assert (problem["kind"], problem["groups"], problem["clips"]) == ("script", ["dogs"], [first, third])


def test_unknown_speakers_are_a_warning_of_the_round(api: Any, project: Any) -> None:
    made, (_, second, _, _) = project
    change(api, second, speaker=None)
    answer = api.post(f"/projects/{made}/rounds")
    assert answer.status_code == 201
    with api.db.read() as session:
        (warning,) = session.get_one(Round, answer.json()["id"]).warnings
    assert warning.startswith("clips without a speaker: 1 of train.")


def test_audio_the_encoder_was_adapted_to_is_a_part_of_its_own(api: Any, project: Any) -> None:
    made, (_, _, third, _) = project
    with api.db.read() as session:
        sha256 = session.get_one(Clip, third).asset_sha256
        with pytest.raises(LeakRefusedError) as refused:
            refuse_leaks(session, session.get_one(Project, made), {f"{sha256}:0-100"})
    assert refused.value.extra["kind"] == "recording" and refused.value.extra["parts"] == ["test", "tapt"]
    assert refused.value.extra["clips"] == [third]
