"""A folder of audio: its files, and the clips their names describe."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from al_core.corpora.corpus import ClipError, Corpus, CorpusClip, CorpusError, Refusal, locate, refuse

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".amr", ".aif", ".aiff"}
)


@dataclass(frozen=True, slots=True)
class Description:
    """What a file's name says of its clip; None where it says nothing."""

    speaker: str | None = None
    label: str | None = None
    gender: str | None = None
    text: str | None = None


Describe = Callable[[PurePath], Description | None]


def audio_files(root: Path) -> list[PurePath]:
    """Audio files at any depth, as paths below `root`, sorted. Hidden ones (macOS's `._x.wav`) are not audio."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not any(part.startswith((".", "__MACOSX")) for part in path.parts))


def anything(_: PurePath) -> Description:
    """The convention of a plain folder: any name will do, and says nothing."""
    return Description()


def read_folder(root: Path, describe: Describe = anything, convention: str = "a plain folder") -> Corpus:
    """Every audio file below `root` as the clip its name describes; names the convention does not fit are refused.

    Raises:
        CorpusError: there is no audio.
    """
    root = root.resolve()
    clips: list[CorpusClip] = []
    refused: list[Refusal] = []
    for name in audio_files(root):
        try:
            clips.append(_clip(root, name, describe, convention))
        except ClipError as error:
            refused.append(refuse(name.as_posix(), error))
    if not clips and not refused:
        raise CorpusError(f"{root.name} holds no audio ({' '.join(sorted(SUFFIXES))}): name another folder")
    return Corpus(root.name, root, tuple(clips), tuple(refused))


def _clip(root: Path, name: PurePath, describe: Describe, convention: str) -> CorpusClip:
    path = locate(root, str(name))
    described = describe(name)
    if described is None:
        raise ClipError("unknown_name", f"{name.name} is no name of {convention}: rename it, or list it in a manifest")
    return CorpusClip(
        path=path,
        external_id=name.as_posix(),
        speaker=described.speaker,
        label=described.label,
        gender=described.gender,
        text=described.text,
    )
