"""Tiny encoders built from a configuration, with random weights: for tests and the demo, never for figures."""

from pathlib import Path
from typing import Any, Literal, assert_never, get_args

import torch

from al_core.encoders.quiet import quiet

TinyFamily = Literal["wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "wavlm-stable", "data2vec-audio", "whisper"]
TINY_FAMILIES: tuple[TinyFamily, ...] = get_args(TinyFamily)

# Kernels and strides of the released checkpoints: 50 frames a second.
_CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (32,) * 7,
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "num_conv_pos_embedding_groups": 4,
}
_GROUP_NORM = {"feat_extract_norm": "group", "num_conv_pos_embeddings": 16}
_STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True, "num_conv_pos_embeddings": 16}


def build_tiny(family: TinyFamily, folder: Path, seed: int = 0, width: int = 32, n_layers: int = 3) -> Path:
    """Build, initialise from `seed` and save a tiny encoder in Hugging Face format; returns its folder.

    The parts that differ between released checkpoints are there: a group norm in the front end of `wav2vec2`, `hubert`
    and `wavlm`; layer norms and pre-norm blocks in the `-stable` ones, as in the large checkpoints; relative positions
    in `wavlm`; a stack of positional convolutions in `data2vec-audio`; log-mel and a decoder to leave behind in
    `whisper`.
    """
    import transformers

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        network = transformers.AutoModel.from_config(_config(family, width, n_layers))
        network.save_pretrained(folder)
        extractor: Any = (
            transformers.WhisperFeatureExtractor()
            if family == "whisper"
            else transformers.Wav2Vec2FeatureExtractor(return_attention_mask="stable" in family)
        )
        extractor.save_pretrained(folder)
    return folder


def _config(family: TinyFamily, width: int, n_layers: int) -> Any:
    import transformers

    sizes = {
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 4,
        "intermediate_size": 4 * width,
        "vocab_size": 32,
        **_CONVOLUTIONS,
    }
    match family:
        case "wav2vec2":
            return transformers.Wav2Vec2Config(**sizes, **_GROUP_NORM)
        case "wav2vec2-stable":
            return transformers.Wav2Vec2Config(**sizes, **_STABLE)
        case "hubert":
            return transformers.HubertConfig(**sizes, **_GROUP_NORM)
        case "wavlm":
            return transformers.WavLMConfig(**sizes, **_GROUP_NORM)
        case "wavlm-stable":
            return transformers.WavLMConfig(**sizes, **_STABLE)
        case "data2vec-audio":
            return transformers.Data2VecAudioConfig(**sizes, num_conv_pos_embeddings=3, conv_pos_kernel_size=7)
        case "whisper":
            return _whisper_config(width, n_layers)
        case _:
            assert_never(family)


def _whisper_config(width: int, n_layers: int) -> Any:
    from transformers import WhisperConfig

    return WhisperConfig(
        d_model=width,
        encoder_layers=n_layers,
        encoder_attention_heads=4,
        encoder_ffn_dim=4 * width,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=4 * width,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        classifier_proj_size=8,
    )
