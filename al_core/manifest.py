"""The manifest of a checkpoint folder: written last, so a folder without one does not exist. No torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from al_core.recipe import Recipe, RecipeError, recipe_from_dict, recipe_to_dict
from al_core.scheme import Dimension, Scheme, SchemeError

MANIFEST = "manifest.json"
FORMAT = 2
# 1 had heads for classes only, and one file for each of the two methods there were.
READABLE = (1, FORMAT)


class CheckpointError(RuntimeError):
    """A checkpoint folder that cannot be used; the sentence names what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class EncoderReference:
    """The encoder a checkpoint starts from: not copied into it, found by source, proved by digest.

    Attributes:
        family: wav2vec2, hubert, wavlm, data2vec-audio or whisper.
        source: hub id or folder it was opened from.
        digest: sha256 of its weights and configuration.
    """

    family: str
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to predict besides the weights themselves.

    Attributes:
        recipe: what decided the training run.
        scheme: the label map, in the order of the probabilities' columns.
        encoder: where the run started from.
        labels_digest: of the clips and labels it was trained on, see `al_core.targets.labels_digest`.
        preprocessing: sample rate and channels of the audio, hidden state and pooling the head reads.
        speakers: names whose statistics are stored, in row order; empty without speaker normalisation.
        sentences: those whose means are stored, in row order; empty without sentence centring.
        files: sha256 of every other file, by path relative to the folder.
        versions: of the packages that wrote it.
    """

    recipe: Recipe
    scheme: Scheme
    encoder: EncoderReference
    labels_digest: str
    preprocessing: Mapping[str, str | int]
    speakers: tuple[str, ...]
    sentences: tuple[str, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, the last file of a checkpoint."""
    plain = {
        "format": FORMAT,
        "method": manifest.recipe.method.kind,
        "recipe": recipe_to_dict(manifest.recipe),
        "scheme": asdict(manifest.scheme),
        "encoder": asdict(manifest.encoder),
        "labels_digest": manifest.labels_digest,
        "preprocessing": dict(manifest.preprocessing),
        "speakers": list(manifest.speakers),
        "sentences": list(manifest.sentences),
        "files": dict(manifest.files),
        "versions": dict(manifest.versions),
    }
    (folder / MANIFEST).write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished checkpoint.

    Raises:
        CheckpointError: none there, which means that the checkpoint is unfinished; unreadable; or of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(f"checkpoint {folder} is unfinished: it has no {MANIFEST}; fine-tune again")
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        found = plain["format"]
        if found not in READABLE:
            raise CheckpointError(f"checkpoint {folder} has format {found}, this version reads up to {FORMAT}: upgrade")
        return _from_plain(plain)
    except (ValueError, KeyError, TypeError, RecipeError, SchemeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error!r}") from error


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the digest it was written with.

    Raises:
        CheckpointError: a file is missing, or is not the one that was written.
    """
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"checkpoint {folder} lacks {name}: restore it from a copy or fine-tune again")
        if file_digest(path) != digest:
            raise CheckpointError(f"{path} is not the file that was written: restore it from a copy or fine-tune again")


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_plain(plain: dict[str, Any]) -> Manifest:
    scheme = plain["scheme"]
    dimensions = [] if plain["format"] == 1 else scheme["dimensions"]
    return Manifest(
        recipe=recipe_from_dict(plain["recipe"]),
        scheme=Scheme(tuple(scheme["classes"]), tuple(Dimension(**one) for one in dimensions)),
        encoder=EncoderReference(**plain["encoder"]),
        labels_digest=plain["labels_digest"],
        preprocessing=plain["preprocessing"],
        speakers=tuple(plain["speakers"]),
        sentences=tuple(plain.get("sentences", ())),  # there were none at first
        files=plain["files"],
        versions=plain["versions"],
    )
