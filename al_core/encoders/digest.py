"""The identity of an encoder: equal digests mean equal frames."""

import hashlib
import json
from typing import Any

from torch import nn

# What decides frames besides the weights and their shapes. Not among it: names, versions, and everything about heads.
DECIDING = (
    "activation_function",
    "conv_pos_kernel_size",
    "conv_stride",
    "do_stable_layer_norm",
    "encoder_attention_heads",
    "feat_extract_activation",
    "feat_extract_norm",
    "hidden_act",
    "layer_norm_eps",
    "max_bucket_distance",
    "model_type",
    "num_attention_heads",
    "num_buckets",
    "num_conv_pos_embeddings",
)
DECIDING_PREPARATION = ("do_normalize", "feature_size", "hop_length", "n_fft")


def digest_of(network: nn.Module, feature_extractor: Any) -> str:
    """SHA-256, hex, over how audio is prepared, what decides the frames, and every weight by name.

    Weights count as they are in memory, so one encoder stored in float16 and in float32, or with and without a decoder
    or head beside it, has one digest.
    """
    config: Any = network.config
    told = {name: getattr(config, name, None) for name in DECIDING}
    told |= {name: getattr(feature_extractor, name, None) for name in DECIDING_PREPARATION}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()
