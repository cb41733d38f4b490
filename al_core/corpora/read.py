"""One door to every corpus: look at what a path holds and hand it to the reader of that convention."""

from pathlib import Path

from al_core.corpora import cremad, emodb, ravdess, savee
from al_core.corpora.corpus import Corpus, CorpusError
from al_core.corpora.folder import Describe, anything, audio_files, read_folder
from al_core.corpora.iemocap import is_iemocap, read_iemocap
from al_core.corpora.manifest import read_manifest
from al_core.corpora.msp_podcast import label_file, read_msp_podcast
from al_core.corpora.table import read_header

_CONVENTIONS: tuple[tuple[str, Describe], ...] = (
    ("EMO-DB", emodb.describe),
    ("RAVDESS", ravdess.describe),
    ("CREMA-D", cremad.describe),
    ("SAVEE", savee.describe),
)


def read_corpus(path: Path) -> Corpus:
    """Read a corpus by what `path` is.

    A CSV is MSP-Podcast's consensus when it has its columns, otherwise a manifest. A folder is, in this order: one with
    a `manifest.csv`, IEMOCAP, MSP-Podcast, the convention more than half of its audio files are named by (the others
    are refused by name), or a plain folder of audio without speakers and labels.

    Raises:
        CorpusError: there is nothing at `path`, or nothing in it that is a corpus.
    """
    if path.is_file():
        return _read_table(path)
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist: name a manifest or a folder of audio")
    if (path / "manifest.csv").is_file():
        return read_manifest(path / "manifest.csv")
    if is_iemocap(path):
        return read_iemocap(path)
    labels = label_file(path)
    if labels is not None:
        return read_msp_podcast(labels)
    name, describe = _convention(path)
    return read_folder(path, describe, name)


def _read_table(path: Path) -> Corpus:
    if path.suffix.lower() != ".csv":
        raise CorpusError(f"{path.name} is not a CSV: name a manifest or a folder of audio")
    if {"FileName", "EmoClass"} <= set(read_header(path)):
        return read_msp_podcast(path)
    return read_manifest(path)


def _convention(root: Path) -> tuple[str, Describe]:
    names = audio_files(root)
    for name, describe in _CONVENTIONS:
        if 2 * sum(describe(file) is not None for file in names) > len(names):
            return name, describe
    return "a plain folder", anything
