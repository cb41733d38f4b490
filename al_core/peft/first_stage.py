"""Where a second stage begins: the first stage's adaptors trained on, or frozen under a second set.

Reference: Lashkarashvili, Wu, Sun & Woodland, ICASSP 2024, arXiv:2402.11747. Our reading: the head is always the second
stage's own and starts as every head does; what is carried from stage to stage is what changed the encoder.
"""

import hashlib

import torch
from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.peft.injection import layers
from al_core.peft.network import Network, frozen_copy
from al_core.peft.specs import RecipeError
from al_core.peft.storing import trained_tensors
from al_core.peft.tuned import FirstStage


def carry_over(first: FirstStage, network: Network) -> None:
    """ "continue": put the first stage's trained weights into a network of the same method.

    Raises:
        RecipeError: the methods differ, or train different blocks.
    """
    learned, own = trained_tensors(first.classifier.network), trained_tensors(network)
    if learned.keys() != own.keys() or any(learned[name].shape != own[name].shape for name in own):
        raise RecipeError(
            'recipe.start.adaptors is "continue", which trains on what the first stage has: use its method and layer '
            f'({first.classifier.recipe.method}, layer {first.classifier.recipe.layer}), or "stack"'
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(learned[name])


def adapted_encoder(first: FirstStage) -> SpeechEncoder:
    """ "stack": the encoder as the first stage left it, adaptors included and frozen, under a digest of its own."""
    network = first.classifier.network
    encoder = frozen_copy(network).encoder
    for layer in layers(encoder).values():  # frozen means no dropout either
        for name in getattr(layer, "lora_dropout", {}):
            layer.lora_dropout[name] = nn.Identity()
    encoder.digest = digest_of(first)
    return encoder


def digest_of(first: FirstStage) -> str:
    """SHA-256 of the encoder it began with and of what it learned, in hex."""
    network = first.classifier.network
    told = hashlib.sha256(network.encoder.digest.encode())
    for name, tensor in sorted(trained_tensors(network).items()):
        told.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return told.hexdigest()
