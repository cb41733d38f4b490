"""Uploading, reading and hearing clips over HTTP."""

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from app.models import Asset, Clip, Job


def _job_kinds(api) -> list[str]:
    with api.db.read() as session:
        return [job.kind for job in session.query(Job).order_by(Job.id)]


def test_an_uploaded_clip_and_its_embed_job_are_there_together(api, wav_bytes):
    project = api.project()
    answer = api.upload(project, wav_bytes(), speaker="s1", external_id="a", text="hello", gender="f", session="1")
    clip = answer.json()
    assert answer.status_code == 201
    assert clip["split"] == "train"
    assert clip["duration_s"] == 1.0
    assert (clip["speaker"], clip["external_id"], clip["text"]) == ("s1", "a", "hello")
    assert clip["asset_sha256"] == hashlib.sha256(wav_bytes()).hexdigest()
    assert _job_kinds(api) == ["embed"]


def test_many_uploads_share_one_waiting_embed_job(api, wav_bytes):
    project = api.project()
    for seed in range(3):
        assert api.upload(project, wav_bytes(seed=seed)).status_code == 201
    assert _job_kinds(api) == ["embed"]


def test_the_same_bytes_again_are_the_same_clip(api, wav_bytes):
    project = api.project()
    first = api.upload(project, wav_bytes(), speaker="s1", split="dev", label="anger")
    again = api.upload(project, wav_bytes(), speaker="s1", split="dev", label="anger")
    unsaid = api.upload(project, wav_bytes())
    assert (first.status_code, again.status_code, unsaid.status_code) == (201, 200, 200)
    assert first.json() == again.json() == unsaid.json()


def test_the_same_bytes_with_other_particulars_are_a_conflict_that_says_which(api, wav_bytes):
    project = api.project()
    clip = api.upload(project, wav_bytes(), speaker="s1", text="hello").json()
    answer = api.upload(project, wav_bytes(), speaker="s2", text="hello")
    assert answer.status_code == 409
    assert answer.json()["differs"] == {"speaker": {"have": "s1", "given": "s2"}}
    assert answer.json()["clip_id"] == clip["id"]


def test_an_external_id_names_one_clip(api, wav_bytes):
    project = api.project()
    api.upload(project, wav_bytes(seed=1), external_id="a")
    answer = api.upload(project, wav_bytes(seed=2), external_id="a")
    assert answer.status_code == 409
    assert "other audio" in answer.json()["detail"]


def test_the_same_bytes_from_many_hands_at_once_are_one_clip(api, wav_bytes):
    project = api.project()
    with ThreadPoolExecutor(8) as hands:
        answers = list(hands.map(lambda _: api.upload(project, wav_bytes(), speaker="s1"), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_speaker_sent_to_two_splits_at_once_lands_in_one(api, wav_bytes):
    project = api.project()
    clips = [(seed, ("train", "test")[seed % 2]) for seed in range(12)]
    with ThreadPoolExecutor(8) as hands:
        answers = list(hands.map(lambda c: api.upload(project, wav_bytes(seed=c[0]), speaker="s1", split=c[1]), clips))
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [409] * 6


def test_two_projects_share_the_bytes_but_not_the_clip(api, wav_bytes):
    clips = [api.upload(api.project(name), wav_bytes()).json() for name in ("one", "two")]
    with api.db.read() as session:
        assert session.query(Asset).count() == 1
        assert session.query(Clip).count() == 2
    assert clips[0]["id"] != clips[1]["id"]


def test_a_speaker_stays_in_one_split(api, wav_bytes):
    project = api.project()
    api.upload(project, wav_bytes(seed=1), speaker="s1", split="test", label="anger")
    answer = api.upload(project, wav_bytes(seed=2), speaker="s1")
    assert answer.status_code == 409
    assert "'s1' is in the test split" in answer.json()["detail"]
    assert api.upload(project, wav_bytes(seed=2), speaker="s1", split="test").status_code == 201


def test_windows_of_one_recording_are_clips_of_their_own(api, wav_bytes):
    project = api.project()
    recording = wav_bytes(seconds=3.0)
    clips = [api.upload(project, recording, start_s=start, end_s=start + 1).json() for start in (0.0, 1.0, 1.5)]
    assert len({clip["id"] for clip in clips}) == 3
    assert {clip["asset_sha256"] for clip in clips} == {hashlib.sha256(recording).hexdigest()}
    assert [clip["start_s"] for clip in clips] == [0.0, 1.0, 1.5]
    assert api.upload(project, recording, start_s=1.0, end_s=2.0).status_code == 200


def test_a_window_plays_as_a_flac_of_just_itself(api, wav_bytes):
    clip = api.upload(api.project(), wav_bytes(seconds=3.0), start_s=1.0, end_s=1.75).json()
    heard = api.get(f"/clips/{clip['id']}/audio")
    waveform, rate = soundfile.read(io.BytesIO(heard.content))
    assert heard.headers["content-type"] == "audio/flac"
    assert len(waveform) / rate == pytest.approx(0.75, abs=0.001)


def test_a_container_browsers_do_not_play_is_kept_and_played_as_flac(api, wav_bytes):
    aiff = wav_bytes(container="AIFF", rate=8_000)
    clip = api.upload(api.project(), aiff, name="clip.aiff").json()
    assert clip["playback_type"] == "audio/flac"
    assert api.app.state.storage.path(clip["asset_sha256"]).read_bytes() == aiff


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_what_browsers_play_is_played_as_it_came(api, wav_bytes, container):
    audio = wav_bytes(container=container, rate=44_100, channels=2)
    clip = api.upload(api.project(), audio).json()
    assert api.get(f"/clips/{clip['id']}/audio").content == audio
    assert clip["duration_s"] == pytest.approx(1.0, abs=0.06)


def _nan() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.array([0.1, np.nan] * 8000, np.float32), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("unreadable", lambda wav: b"this is no audio at all"),
        ("empty", lambda wav: b""),
        ("empty", lambda wav: wav(seconds=0)),
        ("too_short", lambda wav: wav(seconds=0.1)),
        ("too_long", lambda wav: wav(seconds=31)),
        ("silent", lambda wav: wav(amplitude=0.0)),
        ("nan", lambda wav: _nan()),
    ],
)
def test_audio_that_cannot_be_a_clip_is_refused_by_name(api, wav_bytes, code, make):
    answer = api.upload(api.project(), make(wav_bytes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["detail"].startswith("file: ")
    assert [path for path in api.app.state.storage.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("window", [(0.5, 0.4), (2.0, None), (0.5, 1.5)])
def test_a_window_outside_its_recording_is_refused(api, wav_bytes, window):
    fields = {name: value for name, value in zip(("start_s", "end_s"), window, strict=True) if value is not None}
    answer = api.upload(api.project(), wav_bytes(), **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "window")


@pytest.mark.parametrize(
    ("field", "value"), [("split", "training"), ("start_s", "-1"), ("end_s", "nan"), ("speaker", "x" * 201)]
)
def test_a_malformed_field_is_named(api, wav_bytes, field, value):
    answer = api.upload(api.project(), wav_bytes(), **{field: value})
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"] == f"body.{field}"


def test_a_label_outside_the_scheme_is_refused_with_the_classes(api, wav_bytes):
    answer = api.upload(api.project(), wav_bytes(), label="joy")
    assert answer.status_code == 422
    assert "unknown label 'joy': the scheme has anger, happiness" in answer.json()["detail"]


def test_uploading_to_no_project_is_not_found(api, wav_bytes):
    assert api.upload(999, wav_bytes()).status_code == 404


def test_annotators_see_neither_the_reference_label_nor_a_file_name_that_spells_it(api, wav_bytes):
    project = api.project()
    clip = api.upload(project, wav_bytes(), split="test", label="anger", external_id="03a01Wa.wav").json()
    assert (clip["reference_label"], clip["external_id"]) == ("anger", "03a01Wa.wav")
    assert api.get(f"/clips/{clip['id']}", role="annotator").json()["external_id"] is None
    assert api.get(f"/clips/{clip['id']}", role="annotator").json()["reference_label"] is None
    assert api.get(f"/projects/{project}/clips", role="annotator").json()["items"][0]["reference_label"] is None


def test_clips_are_listed_in_pages_and_by_split(api, wav_bytes):
    project = api.project()
    for seed in range(5):
        api.upload(project, wav_bytes(seed=seed), split="dev" if seed == 3 else "train")
    first = api.get(f"/projects/{project}/clips?limit=3").json()
    rest = api.get(f"/projects/{project}/clips?limit=3&after={first['next_after']}").json()
    assert (len(first["items"]), len(rest["items"]), rest["next_after"]) == (3, 2, None)
    assert len(api.get(f"/projects/{project}/clips?split=dev").json()["items"]) == 1
    assert api.get("/projects/999/clips").status_code == 404


def test_one_clip_carries_the_peaks_of_its_waveform(api, wav_bytes):
    clip = api.upload(api.project(), wav_bytes()).json()
    peaks = api.get(f"/clips/{clip['id']}").json()["peaks"]
    assert len(peaks) == 200
    assert max(peaks) == pytest.approx(0.5, abs=0.05)


@pytest.fixture
def clip(api, wav_bytes) -> tuple[str, bytes]:
    """The address of a clip's audio, and its bytes."""
    audio = wav_bytes()
    return f"/clips/{api.upload(api.project(), audio).json()['id']}/audio", audio


def test_audio_is_whole_without_a_range(api, clip):
    address, audio = clip
    heard = api.get(address, role="viewer")
    assert (heard.status_code, heard.content) == (200, audio)
    assert heard.headers["accept-ranges"] == "bytes"
    assert heard.headers["content-type"] == "audio/wav"
    assert heard.headers["etag"] == f'"{hashlib.sha256(audio).hexdigest()}"'
    assert heard.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=10-99999999", 10, None)],
)
def test_a_range_is_answered_with_just_its_bytes(api, clip, header, first, last):
    address, audio = clip
    heard = api.get(address, headers={"Range": header})
    wanted = audio[first : None if last is None else last + 1]
    assert (heard.status_code, heard.content) == (206, wanted)
    begin = first % len(audio)
    assert heard.headers["content-range"] == f"bytes {begin}-{begin + len(wanted) - 1}/{len(audio)}"
    assert heard.headers["content-length"] == str(len(wanted))


def test_several_ranges_come_in_parts(api, clip):
    address, audio = clip
    heard = api.get(address, headers={"Range": "bytes=0-9,100-109"})
    assert heard.status_code == 206
    assert heard.headers["content-type"].startswith("multipart/byteranges")
    assert audio[:10] in heard.content
    assert audio[100:110] in heard.content


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
def test_a_range_outside_the_audio_is_416_with_its_size(api, clip, header):
    address, audio = clip
    answer = api.get(address, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(audio)}"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["items=0-5", "bytes=5-2", "bytes=a-b", "bytes=", "nonsense"])
def test_a_range_that_makes_no_sense_is_ignored(api, clip, header):
    address, audio = clip
    heard = api.get(address, headers={"Range": header})
    assert (heard.status_code, heard.content) == (200, audio)


def test_a_range_of_another_version_is_ignored(api, clip):
    address, audio = clip
    mine = api.get(address, headers={"Range": "bytes=0-9", "If-Range": f'"{hashlib.sha256(audio).hexdigest()}"'})
    other = api.get(address, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (mine.status_code, other.status_code) == (206, 200)


def test_head_tells_the_size_and_sends_nothing(api, clip):
    address, audio = clip
    heard = api.call("HEAD", address)
    ranged = api.call("HEAD", address, headers={"Range": "bytes=0-9"})
    assert (heard.status_code, heard.content, heard.headers["content-length"]) == (200, b"", str(len(audio)))
    assert (ranged.status_code, ranged.content, ranged.headers["content-length"]) == (206, b"", "10")


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_audio_the_client_has_is_not_sent_again(api, clip, form):
    address, audio = clip
    etag = f'"{hashlib.sha256(audio).hexdigest()}"'
    answer = api.get(address, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


def test_audio_of_no_clip_is_not_found(api):
    assert api.get("/clips/999/audio").status_code == 404


def test_a_lost_blob_is_a_named_error(api, clip):
    address, audio = clip
    api.app.state.storage.path(hashlib.sha256(audio).hexdigest()).unlink()
    answer = api.get(address)
    assert (answer.status_code, answer.json()["title"]) == (500, "blob missing")


def test_known_dimensions_and_attributes_come_with_an_upload(api, wav_bytes):
    project = api.project(dimensions=[{"name": "arousal", "low": 1, "high": 5}])
    said = {"dimensions": '{"arousal": 3.5}', "attributes": '{"language": "de", "note": ""}', "split": "test"}
    clip = api.upload(project, wav_bytes(), **said).json()
    assert (clip["reference_dimensions"], clip["attributes"]) == ({"arousal": 3.5}, {"language": "de"})
    seen = api.get(f"/clips/{clip['id']}", role="annotator").json()
    assert (seen["reference_dimensions"], seen["attributes"]) == (None, {})
    more = api.upload(project, wav_bytes(), attributes='{"age": "young"}')
    assert (more.status_code, more.json()["attributes"]) == (200, {"language": "de", "age": "young"})
    other = api.upload(project, wav_bytes(), attributes='{"age": "old"}')
    assert (other.status_code, other.json()["differs"]) == (409, {"age": {"have": "young", "given": "old"}})


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("dimensions", '{"arousal": 5.5}', "arousal is 5.5: the scheme's range is 1 to 5"),
        ("dimensions", '{"valence": 1}', "unknown dimension 'valence': the scheme has arousal"),
        ("dimensions", '{"arousal": NaN}', "write a JSON object of finite numbers"),
        ("dimensions", "3", "write a JSON object of finite numbers"),
        ("attributes", '{"language": 3}', "write a JSON object of texts"),
        ("attributes", '{" ": "x"}', "is no name"),
        ("attributes", '{"a": "\\u0000"}', "a NUL in it"),
    ],
)
def test_dimensions_and_attributes_that_cannot_be_kept_are_refused(api, wav_bytes, field, text, says):
    project = api.project(dimensions=[{"name": "arousal", "low": 1, "high": 5}])
    answer = api.upload(project, wav_bytes(), **{field: text})
    assert answer.status_code == 422 and says in answer.json()["detail"]


def test_what_came_with_a_clip_leaves_with_its_label(api, wav_bytes):
    project = api.project(dimensions=[{"name": "arousal", "low": 1, "high": 5}])
    said = {"dimensions": '{"arousal": 3.5}', "attributes": '{"language": "de"}', "split": "test", "gender": "f"}
    api.upload(project, wav_bytes(), **said)
    (row,) = map(json.loads, api.get(f"/projects/{project}/export?what=labels").text.splitlines())
    assert (row["dimensions"], row["attributes"], row["gender"]) == ({"arousal": 3.5}, {"language": "de"}, "f")
