"""The built-in demo corpus: twelve eSpeak NG voices speak ten sentences in four emotions, told apart by prosody alone.

It exists so that the whole loop can be watched without any data at hand. It is synthetic: figures on it say nothing
about real speech. eSpeak NG keeps one global state and can only be seeded once a process, so it speaks in a process of
its own: `python -m al_core.corpora.espeak FOLDER [SEED]`.

References:
    Murray and Arnott, Toward the simulation of emotion in synthetic speech, JASA 93(2), 1993: which way rate, pitch,
    pitch range and loudness move.
"""

import csv
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from al_core.audio import SAMPLE_RATE, Waveform
from al_core.corpora.corpus import CorpusError
from al_core.splits import Split

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
_SPOKEN_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of eSpeak NG under the name it has in the corpus."""

    name: str
    voice: str
    gender: str
    split: Split


@dataclass(frozen=True, slots=True)
class Prosody:
    """eSpeak NG's four controls: words a minute, pitch and pitch range (0–99), volume (0–200, 100 is normal)."""

    rate: float
    pitch: float
    range: float
    volume: float

    def array(self) -> NDArray[np.float64]:
        """(4,) in the order of the fields."""
        return np.array([self.rate, self.pitch, self.range, self.volume])


SPEAKERS = (
    Speaker("arthur", "en+m1", "male", "train"),
    Speaker("beth", "en-us+f1", "female", "train"),
    Speaker("colin", "en-gb-scotland+m3", "male", "train"),
    Speaker("dora", "en+f2", "female", "train"),
    Speaker("ewan", "en-us+m4", "male", "train"),
    Speaker("fiona", "en-gb-x-rp+f5", "female", "train"),
    Speaker("glen", "en-029+m7", "male", "train"),
    Speaker("hugh", "en-gb-x-rp+m2", "male", "dev"),
    Speaker("iris", "en-gb-scotland+f3", "female", "dev"),
    Speaker("jack", "en+m5", "male", "test"),
    Speaker("kate", "en-us+f4", "female", "test"),
    Speaker("liam", "en-gb-x-gbclan+m6", "male", "test"),
)
SENTENCES = (
    "The letter is on the table.",
    "They came back from the market.",
    "I have put it in the car.",
    "The train leaves at seven.",
    "We will see you on Monday.",
    "He carried the box upstairs.",
    "There is a bag by the door.",
    "She opened the window.",
    "It will happen in an hour.",
    "You know where the key is.",
)
_NEUTRAL = Prosody(rate=150, pitch=46, range=45, volume=85)
_EMOTIONAL = {
    "anger": Prosody(rate=174, pitch=52, range=70, volume=112),
    "happiness": Prosody(rate=163, pitch=68, range=75, volume=88),
    "neutral": _NEUTRAL,
    "sadness": Prosody(rate=128, pitch=35, range=20, volume=62),
}
_OF_SPEAKERS = np.array([8, 4, 5, 5])  # standard deviations of a speaker's own prosody, in the fields' order
_OF_CLIPS = np.array([9, 4, 7, 6])
_LOWEST = np.array([90, 5, 0, 40])
_HIGHEST = np.array([200, 95, 99, 125])


def speak_corpus(folder: Path, seed: int = 0) -> Path:
    """Speak the corpus into `folder` and return its manifest: 480 WAVs of about 1 to 2.5 s, 16 kHz mono.

    The same seed writes the same bytes. The manifest is written last, so a folder that has one is complete and is left
    as it is.

    Raises:
        CorpusError: eSpeak NG cannot speak on this machine.
    """
    manifest = folder / "manifest.csv"
    if manifest.exists():
        return manifest
    command = [sys.executable, "-m", "al_core.corpora.espeak", str(folder), str(seed)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SPOKEN_WITHIN_S)
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        raise CorpusError(f"eSpeak NG did not speak ({last[0]}): use a corpus of your own") from error
    except subprocess.TimeoutExpired as error:
        raise CorpusError(f"eSpeak NG took over {_SPOKEN_WITHIN_S:g} s: use a corpus of your own") from error
    return manifest


def prosody_of(emotion: str, own: NDArray[np.float64], strength: float, rng: Generator) -> Prosody:
    """A speaker's prosody for one clip: neutral + own habit + strength · (emotion − neutral) + jitter, within bounds.

    Args:
        emotion: one of `EMOTIONS`.
        own: (4,) what the speaker adds to every clip.
        strength: how far the speaker goes from neutral; 1 is the whole way.
        rng: of the clip's jitter.
    """
    move = strength * (_EMOTIONAL[emotion].array() - _NEUTRAL.array())
    values = _NEUTRAL.array() + own + move + rng.normal(0, _OF_CLIPS)  # (4,)
    return Prosody(*np.clip(values, _LOWEST, _HIGHEST).tolist())


class _Voice:
    """The eSpeak NG library, loaded and speaking into memory."""

    def __init__(self, library: ctypes.CDLL, rate: int) -> None:
        self._library = library
        self._rate = rate
        self._heard: list[NDArray[np.int16]] = []
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = callback(self._hear)  # kept: the library calls it as long as it speaks
        library.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def choose(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise CorpusError(f"eSpeak NG has no voice {voice}")

    def say(self, sentence: str, prosody: Prosody) -> Waveform:
        """(T,) at 16 kHz."""
        for parameter, value in ((1, prosody.rate), (2, prosody.volume), (3, prosody.pitch), (4, prosody.range)):
            self._library.espeak_SetParameter(parameter, round(value), 0)
        self._heard.clear()
        text = sentence.encode() + b"\0"
        utf8 = 1
        status = self._library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, utf8, None, None)
        if status != 0 or not self._heard:
            raise CorpusError(f"eSpeak NG did not say {sentence!r} (status {status})")
        spoken = np.concatenate(self._heard).astype(np.float32) / 40_000  # headroom: resampling overshoots
        resampled: Waveform = soxr.resample(spoken, self._rate, SAMPLE_RATE)
        return resampled


@contextmanager
def _voice(seed: int) -> Iterator[_Voice]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    with TemporaryDirectory() as home:
        # The library cuts the path of its data at 160 characters; a link keeps it short wherever it is installed.
        (Path(home) / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
        synchronous, do_not_exit = 2, 0x8000
        rate = library.espeak_Initialize(synchronous, 200, home.encode(), do_not_exit)
        if rate <= 0:
            raise CorpusError("eSpeak NG does not start: install espeakng-loader again")
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        yield _Voice(library, rate)


def _speak(folder: Path, seed: int) -> None:
    """Every speaker says every sentence once in every emotion."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    with _voice(seed + 1) as voice:
        for speaker in SPEAKERS:
            voice.choose(speaker.voice)
            own, strength = rng.normal(0, _OF_SPEAKERS), rng.uniform(0.7, 1.2)
            for number, sentence in enumerate(SENTENCES):
                for emotion in EMOTIONS:
                    waveform = voice.say(sentence, prosody_of(emotion, own, strength, rng))
                    path = f"audio/{speaker.name}_s{number:02}_{emotion}.wav"
                    soundfile.write(folder / path, waveform, SAMPLE_RATE, subtype="PCM_16")
                    rows.append((path, speaker.name, emotion, speaker.split, speaker.gender, sentence))
    _write_manifest(folder / "manifest.csv", rows)


def _write_manifest(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    unfinished = path.with_suffix(".csv.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "speaker", "label", "split", "gender", "text"))
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


if __name__ == "__main__":
    _speak(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
