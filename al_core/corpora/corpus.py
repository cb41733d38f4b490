"""What a reader gives: the clips of a corpus, and by name whatever of it cannot be used."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from al_core.splits import Split

RefusalCode = Literal["missing_file", "outside_folder", "malformed", "duplicate", "unknown_label", "unknown_name"]


class CorpusError(ValueError):
    """Nothing of the corpus can be read; the sentence names it and says what to do."""


class ClipError(ValueError):
    """One clip cannot be used. A reader turns it into a `Refusal` and goes on."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(detail)
        self.code: RefusalCode = code


@dataclass(frozen=True, slots=True)
class CorpusClip:
    """One clip and what the corpus says of it; None where it says nothing.

    Attributes:
        path: the audio file, resolved, inside the corpus folder.
        external_id: names the clip within its corpus, the same at every reading: the path below the folder, and the
            window when it has one.
        label: class name, in English for the named corpora and as written for a manifest.
        session: recordings that share people or a room; a clip's dialogue partner speaks in the same session.
        text: the words, or a code for them; equal texts are the same words.
        dimensions: arousal, valence, dominance on the corpus's own scale, those it has.
        attributes: a manifest's further columns as written, empty cells left out: language, age band, a continuous
            measure that a scheme may name as a dimension.
        start_s, end_s: window of the file in seconds; end_s None is the end of the file.
    """

    path: Path
    external_id: str
    speaker: str | None = None
    label: str | None = None
    split: Split | None = None
    session: str | None = None
    gender: str | None = None
    text: str | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    start_s: float = 0.0
    end_s: float | None = None

    def value(self, dimension: str) -> float | None:
        """What the corpus says of a dimension: its own column, or a further one of that name; None without it.

        Raises:
            ClipError: `malformed` when the further column holds no finite number.
        """
        if dimension in self.dimensions or dimension not in self.attributes:
            return self.dimensions.get(dimension)
        return number(dimension, self.attributes[dimension])


def number(column: str, text: str) -> float:
    """The finite number a cell holds; ClipError `malformed` names the column when it holds none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ClipError("malformed", f"{column} is {text!r}: write a number, or leave the cell empty")
    return value


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row or file left out: where it is, the reason's name, and a sentence."""

    where: str
    code: RefusalCode
    detail: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was read: the resolved folder every path lies in, the clips in reading order, and what was refused."""

    name: str
    root: Path
    clips: tuple[CorpusClip, ...]
    refused: tuple[Refusal, ...] = ()


def locate(root: Path, named: str) -> Path:
    """The file `named` by a corpus, resolved, inside `root`.

    Raises:
        ClipError: `outside_folder` when it leaves the folder (by `..`, an absolute path or a link), `missing_file`
            when nothing is there, `malformed` when it is no path at all.
    """
    try:
        path = (root / named).resolve()
        inside = path.is_relative_to(root.resolve())
        exists = inside and path.is_file()
    except (ValueError, OSError, RuntimeError) as error:  # a NUL byte; a name too long; a loop of links
        raise ClipError("malformed", f"{named!r} is not a usable path ({error})") from error
    if not inside:
        raise ClipError("outside_folder", f"{named} leaves the folder {root.name}: move the file below it")
    if not exists:
        raise ClipError("missing_file", f"{named} does not exist below {root.name}: restore it or drop its row")
    return path


def refuse(where: str, error: ClipError) -> Refusal:
    """The refusal a clip's error becomes."""
    return Refusal(where, error.code, str(error))
