"""Checkpoint folders: a fine-tuned classifier as files, and back, in a fresh process, with the same output."""

import os
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import assert_never

import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from al_core.audio import SAMPLE_RATE
from al_core.encoders import EncoderError, SpeechEncoder, open_encoder
from al_core.encoders.outline import resolve_layers
from al_core.features import FeatureStore
from al_core.manifest import (
    CheckpointError,
    EncoderReference,
    Manifest,
    check_files,
    file_digest,
    read_manifest,
    write_manifest,
)
from al_core.peft import methods
from al_core.peft.methods import FineTuned
from al_core.peft.older import head_of_today
from al_core.peft.probe import ProbeClassifier
from al_core.peft.specs import Probe
from al_core.peft.tuned import FirstStage, TunedClassifier
from al_core.recipe import Recipe, RecipeError, Start

PROBE = "probe.safetensors"
SPEAKERS = "speakers.safetensors"  # of format 1; today's probe is one file
HEAD = "head.safetensors"
FIRST = "first"
PACKAGES = ("afterloop", "torch", "transformers", "peft", "scikit-learn", "numpy", "safetensors")

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]


def save_checkpoint(folder: Path, classifier: FineTuned, labels_digest: str) -> Manifest:
    """Write a classifier as a folder that appears at once and complete, or not at all.

    What training changed is in it: the head, every trained weight of the encoder, speaker statistics. The encoder it
    started from is referenced by source and digest, since many share one encoder of a few hundred megabytes.

    Args:
        folder: must not exist; its parent is made.
        classifier: from the last report of `fine_tune`, or from `load_checkpoint`.
        labels_digest: from `al_core.targets.labels_digest`.

    Raises:
        CheckpointError: the folder exists.
        OSError: the disk is full or not writable; nothing is left under `folder`.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already: a checkpoint is never overwritten, choose another folder")
    partial = folder.with_name(f".{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    try:
        names = _write_weights(partial, classifier)
        manifest = _describe(classifier, labels_digest, {name: file_digest(partial / name) for name in sorted(names)})
        write_manifest(partial, manifest)
        _flush(partial)
        partial.rename(folder)
    finally:
        # Nothing to remove after the rename; after a failure, a full disk gets its space back.
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def load_checkpoint(folder: Path, encoder: SpeechEncoder | None, store: FeatureStore) -> FineTuned:
    """Open a checkpoint; it predicts what the classifier that was saved predicts.

    Args:
        folder: written by `save_checkpoint`.
        encoder: the encoder it was fine-tuned from; None opens the source in the manifest, on the CPU.
        store: features of the clips to predict are cached there.

    Raises:
        CheckpointError: unfinished, unknown format, a missing or changed file, or another encoder.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    encoder = _the_encoder(folder, manifest.encoder, encoder)
    if isinstance(manifest.recipe.method, Probe):
        return _read_probe(folder, manifest, encoder, store)
    return _read_tuned(folder, manifest, encoder, store)


def open_first_stage(start: Start, encoder: SpeechEncoder, store: FeatureStore) -> FirstStage:
    """The checkpoint that a recipe starts from.

    Raises:
        CheckpointError: as `load_checkpoint`.
        RecipeError: it is a probe, which changed nothing in the encoder.
    """
    return _first_stage(Path(start.checkpoint), encoder, store)


def _first_stage(folder: Path, encoder: SpeechEncoder, store: FeatureStore) -> FirstStage:
    classifier = load_checkpoint(folder, encoder, store)
    if isinstance(classifier, ProbeClassifier):
        raise RecipeError(
            f"recipe.start.checkpoint {folder} is a probe, which left the encoder as it was: start from a checkpoint "
            "of another method, or leave recipe.start out"
        )
    return FirstStage(classifier, read_manifest(folder).labels_digest)


def _write_weights(folder: Path, classifier: FineTuned) -> list[str]:
    match classifier:
        case ProbeClassifier():
            save_arrays(classifier.arrays(), folder / PROBE)
            return [PROBE]
        case TunedClassifier(network=network, first=first):
            save_file(network.head.state_dict(), folder / HEAD)
            names = [HEAD, *methods.save(network, folder)]
            if first is not None:
                save_checkpoint(folder / FIRST, first.classifier, first.labels_digest)
                names += [str(path.relative_to(folder)) for path in (folder / FIRST).rglob("*") if path.is_file()]
            return names
        case _:
            assert_never(classifier)


def _describe(classifier: FineTuned, labels_digest: str, files: dict[str, str]) -> Manifest:
    encoder, recipe = classifier.encoder, classifier.recipe
    probe = classifier if isinstance(classifier, ProbeClassifier) else None
    layers = resolve_layers(recipe, encoder.outline)
    return Manifest(
        recipe=recipe,
        scheme=classifier.scheme,
        encoder=EncoderReference(encoder.family, encoder.source, encoder.digest),
        labels_digest=labels_digest,
        preprocessing={
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            "hidden_state": layers[0] if len(layers) == 1 else "+".join(map(str, layers)),
            "pooling": recipe.pooling,
        },
        speakers=probe.speakers if probe else (),
        sentences=probe.sentences if probe else (),
        files=files,
        versions={name: version(name) for name in PACKAGES},
    )


def _the_encoder(folder: Path, reference: EncoderReference, encoder: SpeechEncoder | None) -> SpeechEncoder:
    if encoder is None:
        try:
            encoder = open_encoder(reference.source)
        except EncoderError as error:
            raise CheckpointError(
                f"checkpoint {folder} needs the encoder {reference.source} (digest {reference.digest[:12]}…), which "
                f"cannot be opened: {error}. Put it back, or pass the same encoder opened from elsewhere"
            ) from error
    if encoder.digest != reference.digest:
        raise CheckpointError(
            f"checkpoint {folder} was fine-tuned from {reference.source} with digest {reference.digest[:12]}…, "
            f"but {encoder.source} has {encoder.digest[:12]}…: pass the encoder it was fine-tuned from"
        )
    return encoder


def _read_probe(folder: Path, manifest: Manifest, encoder: SpeechEncoder, store: FeatureStore) -> ProbeClassifier:
    arrays = load_arrays(folder / PROBE)
    if SPEAKERS in manifest.files:
        arrays |= load_arrays(folder / SPEAKERS)
    names = manifest.speakers, manifest.sentences
    recipe = _as_fitted(manifest, encoder)
    return ProbeClassifier.from_arrays(manifest.scheme, recipe, encoder, store, arrays, *names)


def _as_fitted(manifest: Manifest, encoder: SpeechEncoder) -> Recipe:
    """A probe's recipe, its hidden states by number where "quarters" were others when it was fitted."""
    recipe = manifest.recipe
    fitted = tuple(int(layer) for layer in str(manifest.preprocessing["hidden_state"]).split("+"))
    if not isinstance(recipe.method, Probe) or resolve_layers(recipe, encoder.outline) == fitted:
        return recipe
    return replace(recipe, method=replace(recipe.method, layers=fitted))


def _read_tuned(folder: Path, manifest: Manifest, encoder: SpeechEncoder, store: FeatureStore) -> TunedClassifier:
    first = _first_stage(folder / FIRST, encoder, store) if (folder / FIRST).is_dir() else None
    with torch.random.fork_rng():  # what is drawn is overwritten; the caller's random numbers must not shift by it
        classifier = methods.untrained(manifest.recipe, manifest.scheme, encoder, store, first)
    classifier.network.head.load_state_dict(head_of_today(load_file(folder / HEAD)))
    methods.load(classifier.network, folder)
    classifier.network.eval()
    return classifier


def _flush(folder: Path) -> None:
    """Everything on the disk before the rename makes it visible: a power cut must not leave a whole-looking folder."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
