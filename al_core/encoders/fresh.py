"""Encoders with random weights of a size worth pretraining from scratch; `tiny.py` has those that only prove code."""

from pathlib import Path
from typing import Any, Literal, assert_never, get_args

import numpy as np
import torch
from torch import Tensor

from al_core.audio import SAMPLE_RATE
from al_core.encoders.quiet import quiet

FreshFamily = Literal["wav2vec2", "hubert"]
FRESH_FAMILIES: tuple[FreshFamily, ...] = get_args(FreshFamily)

_WINDOW = 400  # samples, 25 ms
_BANDS = 64
_PHASES = 4  # 0, 90, 180 and 270 degrees
# 50 frames a second like the released checkpoints. The first convolution is one of band-pass filters every 10 ms; from
# random ones of a few samples, seven deep, an hour on a CPU teaches hardly anything.
_FRONT_END: dict[str, Any] = {
    "conv_dim": (_BANDS * _PHASES, 256, 256),
    "conv_kernel": (_WINDOW, 3, 4),
    "conv_stride": (160, 1, 2),
    "conv_bias": True,
    "feat_extract_norm": "layer",  # a group norm over time takes out how a voice's spectrum leans
    "num_conv_pos_embeddings": 64,
    "num_conv_pos_embedding_groups": 8,
}
# So few weights do not learn an hour of speech by heart, and drawing dropout masks costs a CPU a third of a step.
_DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop")


def build_fresh(
    family: FreshFamily, folder: Path, seed: int = 0, width: int = 256, n_layers: int = 4, n_heads: int = 4
) -> Path:
    """Build, initialise from `seed` and save an encoder of pre-norm blocks in Hugging Face format; returns its folder.

    Random but for the first convolution, which begins as a mel-spaced filter bank (Zeghidour et al., LEAF,
    arXiv:2101.08596) and learns like the rest.

    Args:
        family: whose architecture.
        folder: where it goes.
        seed: of the weights.
        width: d of the blocks; 256 in 4 blocks are 4.3 million weights.
        n_layers: transformer blocks.
        n_heads: of their attention.
    """
    import transformers

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        network = transformers.AutoModel.from_config(_config(family, width, n_layers, n_heads))
        with torch.no_grad():
            network.feature_extractor.conv_layers[0].conv.weight[:, 0] = _band_passes()
        network.save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def _band_passes() -> Tensor:
    """(bands · phases, window) Gabor filters, cos(2π f t + φ) under a Gaussian, f from 60 to 7600 Hz on the mel scale.

    A rectified band at one instant depends on its phase; rectified at four phases, a sum of them hardly does. Gains
    rise with f as speech falls, or the layer norm behind them would leave little of the upper bands.
    """
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (60.0, 7600.0))
    centres = 700 * (10 ** (np.linspace(lowest, highest, _BANDS) / 2595) - 1)  # Hz
    spacing = np.gradient(centres)  # Hz
    seconds = (np.arange(_WINDOW) - (_WINDOW - 1) / 2) / SAMPLE_RATE
    # A Gaussian of this width in time has the bands' spacing as its width in frequency; it must fit into the window.
    widths = np.minimum(1 / (2 * np.pi * spacing), _WINDOW / SAMPLE_RATE / 5)
    envelopes = np.exp(-0.5 * (seconds / widths[:, None]) ** 2)  # (bands, window)
    phases = np.arange(_PHASES) * 2 * np.pi / _PHASES
    waves = np.cos(2 * np.pi * centres[:, None, None] * seconds + phases[:, None])  # (bands, phases, window)
    filters = (waves * envelopes[:, None]).reshape(-1, _WINDOW)
    gains = np.repeat(centres, _PHASES)[:, None] / 1000 / np.linalg.norm(filters, axis=1, keepdims=True)
    return torch.from_numpy((gains * filters).astype(np.float32))


def _config(family: FreshFamily, width: int, n_layers: int, n_heads: int) -> Any:
    import transformers

    sizes = {
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "intermediate_size": 4 * width,
        "vocab_size": 32,
        "do_stable_layer_norm": True,
        **dict.fromkeys(_DROPOUTS, 0.0),
        **_FRONT_END,
    }
    match family:
        case "wav2vec2":
            return transformers.Wav2Vec2Config(**sizes)
        case "hubert":
            return transformers.HubertConfig(**sizes)
        case _:
            assert_never(family)
