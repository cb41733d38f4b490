"""Real files of every container are written here and read back against the waveform they were made from."""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from al_core.audio import SAMPLE_RATE, AudioError, check, decode, decode_clip, encode_flac, info, peaks

SECONDS = 3.0
LOSSLESS = ["wav", "wav-float", "flac"]
LOSSY = ["ogg", "opus", "mp3", "m4a", "aac", "webm"]


def voice(rate: int, seconds: float = SECONDS, shift_hz: float = 0.0) -> NDArray[np.float32]:
    """A glide of harmonics under 3 kHz with a syllable-like envelope: every instant differs, every codec keeps it."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * ((150 + shift_hz) * t + 25 * t**2)
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    return np.asarray(0.2 * tone * (0.3 + 0.7 * np.sin(2 * np.pi * 1.7 * t) ** 2), np.float32)


def by_sndfile(x: NDArray[np.float32], rate: int, container: str, subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, x, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def by_ffmpeg(x: NDArray[np.float32], rate: int, container: str, codec: str) -> bytes:
    """Encode (t,) or (t, channels) with PyAV."""
    columns = x.reshape(len(x), -1)
    layout = "mono" if columns.shape[1] == 1 else "stereo"
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 12_200 if container == "amr" else 96_000
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(columns.T), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def encode(x: NDArray[np.float32], rate: int, kind: str) -> bytes:
    match kind:
        case "wav":
            return by_sndfile(x, rate, "WAV", "PCM_16")
        case "wav-float":
            return by_sndfile(x, rate, "WAV", "FLOAT")
        case "flac":
            return by_sndfile(x, rate, "FLAC")
        case "ogg":
            return by_sndfile(x, rate, "OGG", "VORBIS")
        case "opus":
            return by_sndfile(x, rate, "OGG", "OPUS")
        case "mp3":
            return by_sndfile(x, rate, "MP3")
        case "m4a":
            return by_ffmpeg(x, rate, "ipod", "aac")
        case "aac":
            return by_ffmpeg(x, rate, "adts", "aac")
        case "webm":
            return by_ffmpeg(x, rate, "webm", "libopus")
        case "amr":
            return by_ffmpeg(x, rate, "amr", "libopencore_amrnb")
    raise ValueError(kind)


def agreement(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, int]:
    """(correlation at the best lag, that lag in positions), lags within 100 ms: codecs may delay, not distort."""
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    size = 1 << (2 * n - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    lags = np.concatenate([cross[-1_600:], cross[:1_601]])
    best = int(np.argmax(lags))
    return float(lags[best] / np.sqrt((a**2).sum() * (b**2).sum())), best - 1_600


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_come_back_as_they_were_at_any_rate(kind: str, rate: int) -> None:
    waveform = decode(encode(voice(rate), rate, kind))
    inner = slice(800, -800)  # the resampler's edges
    assert waveform.dtype == np.float32 and waveform.shape == (round(SECONDS * SAMPLE_RATE),)
    assert np.abs(waveform - voice(SAMPLE_RATE))[inner].max() < 3e-3


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_files_keep_their_length_and_their_sound(kind: str, rate: int) -> None:
    waveform = decode(encode(voice(rate), rate, kind))
    correlation, lag = agreement(waveform, voice(SAMPLE_RATE))
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert abs(len(waveform) / SAMPLE_RATE - SECONDS) < 0.15
    assert correlation > 0.95 and abs(lag) < 1_600


def test_amr_is_read_at_its_telephone_rate() -> None:
    if "libopencore_amrnb" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no AMR encoder to write the file with")
    data = encode(voice(8_000), 8_000, "amr")
    heard, spoken = (x[: SAMPLE_RATE * 2].reshape(-1, 320).std(axis=1) for x in (decode(data), voice(SAMPLE_RATE)))
    assert np.corrcoef(heard, spoken)[0, 1] > 0.9  # AMR keeps the loudness of each 20 ms, not the waveform
    assert info(data).sample_rate == 8_000 and info(data).media_type == "audio/amr"
    assert info(data).duration_s == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_stereo_becomes_the_mean_of_its_channels(kind: str) -> None:
    left, right = voice(48_000), voice(48_000, shift_hz=40)
    waveform = decode(encode(np.stack([left, right], axis=1), 48_000, kind))
    mean = (voice(SAMPLE_RATE) + voice(SAMPLE_RATE, shift_hz=40)) / 2
    assert agreement(waveform, mean)[0] > (0.999 if kind in LOSSLESS else 0.93)


def test_six_channels_become_their_mean() -> None:
    rng = np.random.default_rng(0)
    channels = rng.uniform(-0.5, 0.5, (16_000, 6)).astype(np.float32)
    assert np.allclose(decode(by_sndfile(channels, 16_000, "WAV", "FLOAT")), channels.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_a_window_of_a_lossless_file_is_the_slice_of_the_whole(rate: int) -> None:
    data = encode(voice(rate), rate, "flac")
    whole = decode(data)
    for start_s, end_s in [(0.0, 0.7), (0.5, 1.25), (1.2345, 2.3456), (2.5, 3.0)]:
        expected = whole[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
        window = decode(data, start_s, end_s)
        assert window.shape == expected.shape
        assert np.abs(window - expected).max() < 1e-4


@pytest.mark.parametrize("kind", [*LOSSY, "amr"])
def test_a_window_of_a_lossy_file_is_where_the_whole_has_it(kind: str) -> None:
    if kind == "amr" and "libopencore_amrnb" not in av.codecs_available:
        pytest.skip("this build of FFmpeg has no AMR encoder to write the file with")
    rate = 8_000 if kind == "amr" else 48_000
    data = encode(voice(rate, 8.0), rate, kind)
    whole = decode(data)
    for start_s, end_s in [(0.1, 1.0), (3.2, 4.5), (6.0, 7.5)]:
        window = decode(data, start_s, end_s)
        expected = whole[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
        correlation, lag = agreement(window, expected)
        assert window.shape == expected.shape
        assert correlation > 0.99 and abs(lag) <= 32  # 2 ms: WebM counts in milliseconds


def test_a_window_beyond_the_end_is_shorter_and_then_empty() -> None:
    for rate in (16_000, 44_100):
        data = encode(voice(rate), rate, "wav")
        assert len(decode(data, 2.5, 9.0)) == round(0.5 * SAMPLE_RATE)
        assert len(decode(data, 5.0, 6.0)) == 0
        assert len(decode(data, 2.5)) == round(0.5 * SAMPLE_RATE)


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, None), (1.0, 1.0), (2.0, 1.0)])
def test_an_impossible_window_is_a_programming_error(start_s: float, end_s: float | None) -> None:
    with pytest.raises(ValueError, match="window"):
        decode(encode(voice(16_000), 16_000, "wav"), start_s, end_s)


def test_a_window_of_an_hour_reads_only_the_window(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with soundfile.SoundFile(path, "w", 8_000, 1, subtype="PCM_U8") as file:
        file.seek(0)
        for minute in range(60):
            file.write(np.full(8_000 * 60, minute / 100, np.float32))
    read = 0

    class Counting(soundfile.SoundFile):  # type: ignore[misc]  # soundfile ships no types
        def read(self, *args: object, **kwargs: object) -> object:
            nonlocal read
            frames = super().read(*args, **kwargs)
            read += len(frames)
            return frames

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soundfile.SoundFile", Counting)
        window = decode(path, 1_830.0, 1_832.0)
    assert len(window) == 2 * SAMPLE_RATE
    assert np.allclose(window, 0.30, atol=0.01)
    assert read < 8_000 * 3


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3", "m4a", "aac", "webm"])
def test_info_tells_duration_channels_and_media_type(kind: str) -> None:
    types = {"opus": "audio/ogg", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
    data = encode(np.stack([voice(48_000)] * 2, axis=1), 48_000, kind)
    told = info(data)
    assert told.duration_s == pytest.approx(len(decode(data)) / SAMPLE_RATE, abs=0.06)
    assert (told.sample_rate, told.channels) == (48_000, 2)
    assert told.media_type == types.get(kind, f"audio/{kind}")


def test_a_flac_written_to_a_pipe_has_no_length_and_is_read_all_the_same() -> None:
    data = bytearray(encode(voice(16_000), 16_000, "flac"))
    data[21] &= 0xF0  # STREAMINFO: the 36 bits of the total count
    data[22:26] = bytes(4)
    assert len(decode(bytes(data))) == SECONDS * SAMPLE_RATE
    assert len(decode(bytes(data), 1.0, 2.0)) == SAMPLE_RATE
    assert info(bytes(data)).duration_s == SECONDS


@pytest.mark.parametrize("data", [b"not audio at all", b"RIFF", bytes(5_000), b"#EXTM3U\nfile:///etc/hostname\n"])
def test_what_no_library_reads_is_unreadable(data: bytes) -> None:
    with pytest.raises(AudioError) as refusal:
        decode(data)
    assert refusal.value.code == "unreadable"


def test_a_playlist_is_not_followed_to_the_audio_it_names(tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(by_ffmpeg(voice(16_000), 16_000, "mpegts", "aac"))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path / 'secret.ts'}\n#EXT-X-ENDLIST\n"
    (tmp_path / "clip.m3u8").write_text(playlist)
    with pytest.raises(AudioError) as refusal:
        decode(tmp_path / "clip.m3u8")
    assert refusal.value.code == "unreadable"


def test_a_damaged_file_is_unreadable_and_the_sentence_shows_no_insides() -> None:
    flac, m4a, aac = (encode(voice(48_000), 48_000, kind) for kind in ("flac", "m4a", "aac"))
    hole = flac[:30_000] + bytes(30_000) + flac[60_000:]
    for data in (hole, flac[: len(flac) // 2], m4a[: len(m4a) // 2], aac[: len(aac) // 2]):
        with pytest.raises(AudioError) as refusal:
            decode(data)
        assert refusal.value.code == "unreadable"
        assert "object at 0x" not in str(refusal.value)


def test_a_missing_file_is_unreadable_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav") as refusal:
        decode(tmp_path / "gone.wav")
    assert refusal.value.code == "unreadable"


def test_a_file_without_bytes_is_empty(tmp_path: Path) -> None:
    (tmp_path / "none.wav").touch()
    for source in (b"", tmp_path / "none.wav"):
        with pytest.raises(AudioError) as refusal:
            decode(source)
        assert refusal.value.code == "empty"


def test_a_path_and_its_bytes_decode_alike_whatever_the_file_is_called(tmp_path: Path) -> None:
    data = encode(voice(44_100), 44_100, "flac")
    for name in ("a.flac", "a.raw", "ä 1.bin", "concat:x"):
        (tmp_path / name).write_bytes(data)
        assert np.array_equal(decode(tmp_path / name), decode(data))


GOOD = voice(SAMPLE_RATE)
WITH_NAN = GOOD.copy()
WITH_NAN[100] = np.nan
WITH_INF = GOOD.copy()
WITH_INF[-1] = np.inf


@pytest.mark.parametrize(
    ("waveform", "code"),
    [
        (GOOD[:0], "empty"),
        (GOOD[:3_199], "too_short"),
        (np.tile(GOOD, 11), "too_long"),
        (np.zeros(16_000, np.float32), "silent"),
        (np.full(16_000, 0.5, np.float32), "silent"),
        (WITH_NAN, "nan"),
        (WITH_INF, "nan"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_by_name(waveform: NDArray[np.float32], code: str) -> None:
    with pytest.raises(AudioError) as refusal:
        check(waveform)
    assert refusal.value.code == code


def test_a_clip_of_just_the_limits_is_accepted() -> None:
    for rate in (8_000, 16_000, 44_100, 48_000):
        check(decode(encode(voice(rate, 0.2), rate, "wav")))
        check(decode(encode(voice(rate, 2.0), rate, "wav")), max_s=2.0)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_nan_in_a_file_is_found_after_resampling(rate: int) -> None:
    x = voice(rate)
    x[rate] = np.nan
    with pytest.raises(AudioError) as refusal:
        decode_clip(encode(x, rate, "wav-float"))
    assert refusal.value.code == "nan"


def test_a_file_longer_than_the_limit_is_refused_but_not_a_window_of_it() -> None:
    data = encode(voice(16_000, 5.0), 16_000, "flac")
    with pytest.raises(AudioError) as refusal:
        decode_clip(data, max_s=2.0)
    assert refusal.value.code == "too_long"
    assert len(decode_clip(data, 1.0, 3.0, max_s=2.0)) == 2 * SAMPLE_RATE


def test_peaks_are_the_extremes_of_equal_stretches() -> None:
    waveform = np.concatenate([np.full(10, level, np.float32) for level in (0.1, -0.9, 0.5)])
    assert peaks(waveform, bins=3) == [0.1, 0.9, 0.5]
    assert len(peaks(GOOD)) == 200 and max(peaks(GOOD)) == pytest.approx(np.abs(GOOD).max(), abs=1e-4)
    assert len(peaks(GOOD[:7], bins=20)) == 20
    assert peaks(GOOD[:0], bins=4) == [0.0] * 4


def test_a_window_encoded_for_playback_decodes_to_itself() -> None:
    data = encode_flac(GOOD * 2)
    assert info(data).media_type == "audio/flac"
    assert np.abs(decode(data) - np.clip(GOOD * 2, -1, 1)).max() < 1e-4


def test_importing_audio_loads_neither_pyav_nor_torch_and_wav_needs_no_pyav() -> None:
    program = (
        "import io, sys, numpy, soundfile; from al_core import audio; import al_core.corpora.read; b = io.BytesIO();"
        "soundfile.write(b, numpy.ones(99), 16000, format='WAV'); audio.decode(b.getvalue());"
        "print([m for m in ('av', 'torch', 'sklearn', 'scipy', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_speech_is_read_whole(shared: Path) -> None:
    path = shared / "data" / "emodb-2s" / "audio" / "03a01Fa.flac"
    waveform = decode_clip(path)
    assert len(waveform) == info(path).duration_s * SAMPLE_RATE == 2 * SAMPLE_RATE
