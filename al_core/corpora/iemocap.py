"""IEMOCAP: `Session1/dialog/EmoEvaluation/Ses01F_impro01.txt` labels the sentences of a dialogue.

A sentence's line is `[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5000, 2.5000, 2.5000]`: start, end,
name, emotion, and valence, activation, dominance from 1 to 5. Its audio is
`Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`. The speaker is session and gender of the utterance
(Ses01F), whoever wore the markers. Sentences without agreement (`xxx`) or of another emotion (`oth`) have no label.
Their words come from `dialog/transcriptions` where that exists.

References:
    Busso et al., IEMOCAP: Interactive Emotional Dyadic Motion Capture Database, Language Resources and Evaluation 42,
    2008.
"""

import re
from pathlib import Path
from typing import Literal

from al_core.corpora.corpus import ClipError, Corpus, CorpusClip, CorpusError, Refusal, locate, refuse

Excitement = Literal["own", "happiness"]

_SENTENCE = re.compile(
    r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(?P<name>(?P<dialogue>Ses(?P<session>0\d)[FM]_\w+?)_(?P<gender>[FM])\w*)\s+"
    r"(?P<emotion>[a-z]{3})\s+\[\s*(?P<valence>[\d.]+),\s*(?P<arousal>[\d.]+),\s*(?P<dominance>[\d.]+)\s*\]"
)
_TRANSCRIPT = re.compile(r"(?P<name>Ses\w+)\s+\[[^\]]*\]:\s*(?P<text>.+)")
_LABELS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "sur": "surprise",
    "oth": None,
    "xxx": None,
}


def is_iemocap(root: Path) -> bool:
    """Whether the folder holds IEMOCAP's label files."""
    return bool(_label_files(root))


def read_iemocap(root: Path, excitement: Excitement = "own") -> Corpus:
    """Every sentence the label files list; a malformed line, or one without audio, is refused by its line.

    Args:
        root: the folder with `Session1` … `Session5`, or some of them.
        excitement: the label of `exc`: "own" keeps "excitement", "happiness" merges it, as four-class papers do.

    Raises:
        CorpusError: no label files.
    """
    root = root.resolve()
    files = _label_files(root)
    if not files:
        raise CorpusError(f"{root.name} holds no Session*/dialog/EmoEvaluation/*.txt: name the folder with Session1")
    clips: list[CorpusClip] = []
    refused: list[Refusal] = []
    for file in files:
        texts = _transcript(file.parents[1] / "transcriptions" / file.name)
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if not line.startswith("["):
                continue
            try:
                clips.append(_clip(root, file, line, texts, excitement))
            except ClipError as error:
                refused.append(refuse(f"{file.relative_to(root).as_posix()}:{number}", error))
    return Corpus(root.name, root, tuple(clips), tuple(refused))


def _label_files(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("Session*/dialog/EmoEvaluation/Ses*.txt") if path.is_file())


def _clip(root: Path, file: Path, line: str, texts: dict[str, str], excitement: Excitement) -> CorpusClip:
    found = _SENTENCE.match(line)
    if found is None:
        raise ClipError("malformed", "not a line of [start - end] name emotion [valence, activation, dominance]")
    if found["emotion"] not in _LABELS:
        raise ClipError("unknown_label", f"emotion {found['emotion']!r} is none of {', '.join(_LABELS)}")
    label = _LABELS[found["emotion"]]
    audio = file.parents[2] / "sentences" / "wav" / found["dialogue"] / f"{found['name']}.wav"
    named = audio.relative_to(root).as_posix()
    return CorpusClip(
        path=locate(root, named),
        external_id=named,
        speaker=f"Ses{found['session']}{found['gender']}",
        label="happiness" if label == "excitement" and excitement == "happiness" else label,
        session=f"Ses{found['session']}",
        gender="female" if found["gender"] == "F" else "male",
        text=texts.get(found["name"]),
        dimensions={name: _number(found[name]) for name in ("arousal", "valence", "dominance")},
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ClipError("malformed", f"{text!r} is not a number") from None


def _transcript(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {found["name"]: found["text"].strip() for line in lines if (found := _TRANSCRIPT.match(line))}
