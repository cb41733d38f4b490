"""HuBERT with random weights, for benches of cost: what a step costs does not depend on what the weights are."""

from pathlib import Path
from typing import Any

import torch
import transformers

from al_core.encoders.quiet import quiet


def random_hubert(folder: Path, short: bool) -> Path:
    """Save HuBERT-base's shape, or for a short form a small one, in Hugging Face format; returns the folder."""
    small: dict[str, Any] = {"num_hidden_layers": 4, "hidden_size": 192, "num_attention_heads": 4}
    small |= {"intermediate_size": 768, "conv_dim": (64,) * 7}
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        transformers.HubertModel(transformers.HubertConfig(**small if short else {})).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder
