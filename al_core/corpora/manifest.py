"""Manifest: a CSV `path,speaker,label[,split,session,gender,text,arousal,valence,dominance,start_s,end_s]`.

Paths are relative to the manifest's folder and must stay in it. Cells may be empty, labels are taken as written.
Further columns are the clip's attributes, as written too: language, age band, or a measure that a scheme names as one
of its dimensions.
"""

from pathlib import Path

from al_core.corpora.corpus import ClipError, Corpus, CorpusClip, CorpusError, Refusal, locate, refuse
from al_core.corpora.table import Row, read_rows
from al_core.splits import Split

COLUMNS = ("path", "speaker", "label")
DIMENSIONS = ("arousal", "valence", "dominance")
FACTS = (*COLUMNS, "split", "session", "gender", "text", "start_s", "end_s")  # what no attribute can be named
_SPLITS: dict[str, Split] = {"train": "train", "dev": "dev", "test": "test"}


def read_manifest(path: Path) -> Corpus:
    """The clips a manifest lists; a row that cannot be one is refused by its line.

    Raises:
        CorpusError: the file is no table, lacks a required column, or lists nothing.
    """
    root = path.parent.resolve()
    clips: dict[str, CorpusClip] = {}
    lines: dict[str, int] = {}
    refused: list[Refusal] = []
    for row in read_rows(path, COLUMNS):
        try:
            clip = _clip(root, row)
            if clip.external_id in clips:
                raise ClipError(
                    "duplicate", f"{clip.external_id} stands on line {lines[clip.external_id]} too: keep one"
                )
        except ClipError as error:
            refused.append(refuse(f"{path.name}:{row.line}", error))
            continue
        clips[clip.external_id] = clip
        lines[clip.external_id] = row.line
    if not clips and not refused:
        raise CorpusError(f"{path.name} lists no clips: add a row for each")
    return Corpus(root.name, root, tuple(clips.values()), tuple(refused))


def _clip(root: Path, row: Row) -> CorpusClip:
    if row.problem is not None:
        raise row.problem
    cells = row.cells
    if "path" not in cells:
        raise ClipError("malformed", "the path is empty: name the audio file")
    start_s, end_s = _window(row)
    path = locate(root, cells["path"])
    return CorpusClip(
        path=path,
        external_id=_external_id(root, path, start_s, end_s),
        speaker=cells.get("speaker"),
        label=cells.get("label"),
        split=_split(cells.get("split")),
        session=cells.get("session"),
        gender=cells.get("gender"),
        text=cells.get("text"),
        dimensions={name: value for name in DIMENSIONS if (value := row.number(name)) is not None},
        attributes={name: text for name, text in cells.items() if name and name not in (*FACTS, *DIMENSIONS)},
        start_s=start_s,
        end_s=end_s,
    )


def _window(row: Row) -> tuple[float, float | None]:
    start_s, end_s = row.number("start_s") or 0.0, row.number("end_s")
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise ClipError("malformed", f"window {start_s}–{end_s} s: start at 0 or later and end after the start")
    return start_s, end_s


def _split(named: str | None) -> Split | None:
    if named is None:
        return None
    if named not in _SPLITS:
        raise ClipError("malformed", f"split is {named!r}: write train, dev or test, or leave the cell empty")
    return _SPLITS[named]


def _external_id(root: Path, path: Path, start_s: float, end_s: float | None) -> str:
    """`audio/a.wav`, or `audio/a.wav#1.5-3.25` and `audio/a.wav#1.5-` for windows."""
    name = path.relative_to(root).as_posix()
    if not start_s and end_s is None:
        return name
    return f"{name}#{start_s}-" + ("" if end_s is None else f"{end_s}")
