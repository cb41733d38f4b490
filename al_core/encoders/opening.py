"""Open a pretrained encoder by hub id or folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from al_core.audio import SAMPLE_RATE
from al_core.encoders.base import EncoderError, SpeechEncoder
from al_core.encoders.digest import digest_of
from al_core.encoders.local_attributes import LocalAttributeEncoder, read_adapter
from al_core.encoders.outline import LOCAL_ATTRIBUTES
from al_core.encoders.quiet import quiet
from al_core.encoders.starter import place_of
from al_core.encoders.waveform import FAMILIES, WaveformEncoder
from al_core.encoders.whisper import WhisperEncoder

WEIGHT_FILES = ("model*.safetensors", "pytorch_model*.bin")
# Drawn anew by `transformers` when a checkpoint lacks it; only masked prediction reads it.
MASK_EMBEDDING = "masked_spec_embed"


def open_encoder(source: str | Path, device: str | torch.device = "cpu") -> SpeechEncoder:
    """Open a wav2vec 2.0, HuBERT, WavLM, data2vec-audio or Whisper encoder in float32 and evaluation mode.

    Heads and Whisper's decoder are left behind, so checkpoints for pretraining, CTC, classification or transcription
    open alike. The folder of an encoder with local attributes opens as well, see `LocalAttributeEncoder`.

    Args:
        source: a Hugging Face hub id, a folder in Hugging Face format or with local attributes, or "afterloop/starter".
        device: where its weights go.

    Raises:
        EncoderError: no such folder or hub id, an unreachable hub, no configuration or weights in it, a family that is
            not supported, weights that are incomplete or not finite.
    """
    name = str(source)
    if (Path(name) / LOCAL_ATTRIBUTES).is_file():
        return _open_with_local_attributes(Path(name), device)
    place = place_of(source)
    _check_folder(Path(place))
    with _named_refusal(name):
        from transformers import AutoFeatureExtractor, PreTrainedConfig

        family = str(PreTrainedConfig.get_config_dict(place)[0].get("model_type", "unknown"))
        _check_family(name, family)
        extractor = AutoFeatureExtractor.from_pretrained(place)
        network, found = _load(place, family)
    _check_preparation(name, extractor)
    _check_weights(name, network, found)
    encoder: SpeechEncoder
    if family == "whisper":
        encoder = WhisperEncoder(network, extractor, name)
    else:
        encoder = WaveformEncoder(network, extractor, name)
    encoder.digest = digest_of(network, extractor)
    return encoder.eval().to(device)


def encoder_digest(source: str | Path) -> str:
    """The digest of an encoder by hub id or folder; EncoderError as `open_encoder`."""
    return open_encoder(source).digest


def _open_with_local_attributes(folder: Path, device: str | torch.device) -> SpeechEncoder:
    try:
        described = json.loads((folder / LOCAL_ATTRIBUTES).read_text(encoding="utf-8"))
        source, digest, layer = str(described["encoder"]), described["encoder_digest"], int(described["layer"])
        adapter = read_adapter(folder, described)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise EncoderError(f"cannot open the local attributes in {folder}: {reason}; copy the folder again") from error
    try:
        base = open_encoder(source, device)
    except EncoderError as error:
        raise EncoderError(
            f"the local attributes in {folder} belong to an encoder that does not open: {error}"
        ) from error
    if base.digest != digest:
        raise EncoderError(
            f"the local attributes in {folder} belong to another encoder than the one in {source} now: put that back"
        )
    encoder = LocalAttributeEncoder(base, layer, adapter.to(device))
    encoder.source = str(folder)
    return encoder.eval()


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        if folder.is_absolute() or str(folder).startswith("."):
            raise EncoderError(f"there is no encoder folder {folder}: check the path")
        return
    if not (folder / "config.json").is_file():
        raise EncoderError(f"the folder {folder} has no config.json: copy an encoder in Hugging Face format there")
    if not any(any(folder.glob(pattern)) for pattern in WEIGHT_FILES):
        raise EncoderError(f"the folder {folder} has a configuration but no weights: copy model.safetensors into it")


def _check_family(name: str, family: str) -> None:
    known = (*FAMILIES, "whisper")
    if family not in known:
        raise EncoderError(f"{name} is of family {family!r}, which is not supported: use one of {', '.join(known)}")


def _load(place: str, family: str) -> tuple[Any, dict[str, Any]]:
    """The encoder's network in float32, and what `transformers` tells about the weights it found."""
    from transformers import AutoModel
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as WhisperNetwork

    network: Any  # `transformers` ships no types for from_pretrained
    options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
    if family == "whisper":
        # The encoder alone, out of a checkpoint with or without a decoder: no decoder is ever built or read.
        network, told = WhisperNetwork.from_pretrained(place, key_mapping={r"^(model\.)?encoder\.": ""}, **options)
    else:
        network, told = AutoModel.from_pretrained(place, **options)
    return network, told


def _check_preparation(name: str, extractor: Any) -> None:
    if extractor.sampling_rate != SAMPLE_RATE:
        raise EncoderError(f"{name} hears audio at {extractor.sampling_rate} Hz: use an encoder for {SAMPLE_RATE} Hz")


def _check_weights(name: str, network: nn.Module, found: dict[str, Any]) -> None:
    """Every weight came from the checkpoint, in the configuration's shape, and is finite."""
    for key in sorted(str(mismatch[0]) for mismatch in found["mismatched_keys"]):
        raise EncoderError(f"{name} has weights of another shape than config.json says, such as {key}: copy both again")
    missing = {str(key) for key in found["missing_keys"]} - {MASK_EMBEDDING}
    if missing:
        raise EncoderError(
            f"{name} lacks {len(missing)} weights of its encoder, such as {min(missing)}: copy or download it again"
        )
    if MASK_EMBEDDING in found["missing_keys"]:
        nn.init.zeros_(network.get_parameter(MASK_EMBEDDING))
    for key, weight in network.named_parameters():
        if not bool(weight.isfinite().all()):
            raise EncoderError(f"{name} has values that are not finite in {key}: copy or download it again")


@contextmanager
def _named_refusal(name: str) -> Iterator[None]:
    """Quietly, and whatever `transformers` and the file formats refuse becomes an EncoderError naming the encoder."""
    try:
        # `transformers` draws what it then overwrites; the caller's random numbers must not shift by that.
        with quiet(), torch.random.fork_rng(devices=[]):
            yield
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, EncoderError):
            raise
        reason = str(error).strip().split("\n")[0]
        where = (
            ""
            if Path(name).exists()
            else ", which is no folder here; is it a hub id, the hub in reach, and HF_HUB_OFFLINE=0"
        )
        raise EncoderError(f"cannot open encoder {name}{where}: {reason}") from error
