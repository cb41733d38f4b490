"""MSP-Podcast: `Labels/labels_consensus.csv` labels the files of `Audios/`.

Columns read: FileName, EmoClass, EmoAct, EmoVal, EmoDom (1 to 7), SpkrID, Gender, Split_Set. The session is the podcast
recording a file was cut from. Test1, Test2 and Test3 are all test; `O` (other) and `X` (no agreement) have no label.

References:
    Lotfian and Busso, Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech From
    Existing Podcast Recordings, IEEE Trans. Affective Computing 10(4), 2019.
"""

import re
from pathlib import Path

from al_core.corpora.corpus import ClipError, Corpus, CorpusClip, CorpusError, Refusal, locate, refuse
from al_core.corpora.table import Row, read_rows
from al_core.splits import Split

COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
LABEL_FILES = ("Labels/labels_consensus.csv", "labels_consensus.csv")

_AUDIO_FOLDERS = ("Audios", "Audio", ".")
_RECORDING = re.compile(r"(MSP-PODCAST_\d+)_\d+.*", re.IGNORECASE)
_DIMENSIONS = {"arousal": "EmoAct", "valence": "EmoVal", "dominance": "EmoDom"}
_LABELS = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "U": "surprise",
    "O": None,
    "X": None,
}
_SPLITS: dict[str, Split] = {
    "train": "train",
    "development": "dev",
    "validation": "dev",
    "test1": "test",
    "test2": "test",
    "test3": "test",
}


def label_file(root: Path) -> Path | None:
    """The label file of an MSP-Podcast folder, None for another folder."""
    return next((root / name for name in LABEL_FILES if (root / name).is_file()), None)


def read_msp_podcast(labels: Path) -> Corpus:
    """Every file the table lists; a row that cannot be a clip is refused by its line.

    Args:
        labels: labels_consensus.csv, in the corpus folder or in its folder `Labels`.

    Raises:
        CorpusError: the file is no table, lacks a column, or lists nothing.
    """
    folder = labels.parent.resolve()
    root = folder.parent if folder.name == "Labels" else folder
    audio = next(name for name in _AUDIO_FOLDERS if (root / name).is_dir())
    clips: list[CorpusClip] = []
    refused: list[Refusal] = []
    for row in read_rows(labels, COLUMNS):
        try:
            clips.append(_clip(root, audio, row))
        except ClipError as error:
            refused.append(refuse(f"{labels.name}:{row.line}", error))
    if not clips and not refused:
        raise CorpusError(f"{labels.name} lists no clips: download the labels again")
    return Corpus(root.name, root, tuple(clips), tuple(refused))


def _clip(root: Path, audio: str, row: Row) -> CorpusClip:
    if row.problem is not None:
        raise row.problem
    cells = row.cells
    if "FileName" not in cells:
        raise ClipError("malformed", "FileName is empty: download the labels again")
    recording = _RECORDING.fullmatch(cells["FileName"])
    speaker = cells.get("SpkrID", "Unknown")
    gender = cells.get("Gender", "Unknown").lower()
    dimensions = {name: row.number(column) for name, column in _DIMENSIONS.items()}
    return CorpusClip(
        path=locate(root, f"{audio}/{cells['FileName']}"),
        external_id=(Path(audio) / cells["FileName"]).as_posix(),
        speaker=None if speaker == "Unknown" else speaker,
        label=_label(cells.get("EmoClass")),
        split=_split(cells.get("Split_Set")),
        session=None if recording is None else recording[1],
        gender=None if gender == "unknown" else gender,
        dimensions={name: value for name, value in dimensions.items() if value is not None},
    )


def _label(code: str | None) -> str | None:
    if code is None:
        return None
    if code not in _LABELS:
        raise ClipError("unknown_label", f"EmoClass {code!r} is none of {', '.join(_LABELS)}")
    return _LABELS[code]


def _split(named: str | None) -> Split | None:
    if named is None:
        return None
    if named.lower() not in _SPLITS:
        raise ClipError("malformed", f"Split_Set is {named!r}: it is none of {', '.join(_SPLITS)}")
    return _SPLITS[named.lower()]
