"""Hearing a clip with some of the recording around it."""

import io

import numpy as np
import pytest
import soundfile

RATE = 16_000


def _recording(seconds: float = 10.0) -> tuple[np.ndarray, bytes]:
    """A ramp of tones, so that every moment sounds different from every other."""
    t = np.arange(round(seconds * RATE)) / RATE
    waveform = 0.5 * np.sin(2 * np.pi * (200 * t + 20 * t * t))
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="WAV")
    return waveform, file.getvalue()


def _heard(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return soundfile.read(io.BytesIO(answer.content), dtype="float32")[0]


@pytest.mark.parametrize(
    ("start_s", "end_s", "context_s", "heard", "clip_starts_at"),
    [(4.0, 6.0, 1.5, (2.5, 7.5), 1.5), (0.5, 2.0, 3.0, (0.0, 5.0), 0.5), (8.0, 9.5, 3.0, (5.0, 10.0), 3.0)],
)
def test_context_is_what_the_recording_has_around_the_clip_and_says_where_the_clip_begins(
    api, start_s, end_s, context_s, heard, clip_starts_at
):
    waveform, wav = _recording()
    clip = api.upload(api.project(), wav, start_s=start_s, end_s=end_s).json()["id"]
    answer = api.get(f"/clips/{clip}/audio?context_s={context_s}", "annotator")
    expected = waveform[round(heard[0] * RATE) : round(heard[1] * RATE)]
    np.testing.assert_allclose(_heard(answer), expected, atol=1e-3)
    assert float(answer.headers["Clip-Starts-At"]) == clip_starts_at
    assert answer.headers["content-type"] == "audio/flac"


def test_without_context_or_without_anything_around_it_the_clip_is_what_it_always_was(api):
    _, wav = _recording()
    project = api.project()
    whole = api.upload(project, wav).json()["id"]
    part = api.upload(project, wav, start_s=4.0, end_s=6.0).json()["id"]
    assert api.get(f"/clips/{whole}/audio?context_s=3").content == wav
    assert len(_heard(api.get(f"/clips/{part}/audio?context_s=0"))) == 2 * RATE


def test_a_browser_that_has_the_stretch_is_not_sent_it_again(api):
    _, wav = _recording()
    clip = api.upload(api.project(), wav, start_s=4.0, end_s=6.0).json()["id"]
    tag = api.get(f"/clips/{clip}/audio?context_s=2").headers["etag"]
    assert api.get(f"/clips/{clip}/audio?context_s=2", headers={"If-None-Match": tag}).status_code == 304
    assert api.get(f"/clips/{clip}/audio?context_s=3", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("asked", ["-1", "16", "nan", "much"])
def test_a_context_that_makes_no_sense_is_refused(api, asked):
    _, wav = _recording(2.0)
    clip = api.upload(api.project(), wav).json()["id"]
    assert api.get(f"/clips/{clip}/audio?context_s={asked}").status_code == 422
