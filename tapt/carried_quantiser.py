"""The quantiser that a wav2vec 2.0 checkpoint carries beside its encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.encoders.quiet import quiet
from tapt.quantiser import GumbelQuantiser

_PARTS = ("quantizer.", "project_hid.", "project_q.")


@dataclass(frozen=True, slots=True)
class CarriedQuantiser:
    """What pretraining left in a checkpoint: the quantiser and both projections into the space of the comparison."""

    quantiser: GumbelQuantiser
    project_hidden: nn.Linear
    project_quantised: nn.Linear


def read_quantiser(encoder: SpeechEncoder) -> CarriedQuantiser | None:
    """The quantiser in the checkpoint that this encoder was opened from; None where there is none.

    Only wav2vec 2.0 checkpoints for pretraining have one: `transformers` stores none for other families, and
    checkpoints for recognition have lost it.
    """
    if encoder.family != "wav2vec2":
        return None
    from transformers import Wav2Vec2ForPreTraining

    options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}
    # What is missing is drawn at random; nobody's random numbers may shift by that.
    with quiet(), torch.random.fork_rng(devices=[]):
        # `transformers` ships no types for from_pretrained.
        network, found = Wav2Vec2ForPreTraining.from_pretrained(encoder.source, **options)
    lacking = [*found["missing_keys"], *(mismatch[0] for mismatch in found["mismatched_keys"])]
    if any(str(key).startswith(_PARTS) for key in lacking):
        return None
    theirs = network.quantizer
    width, vectors = theirs.weight_proj.in_features, theirs.num_groups * theirs.codevectors.shape[-1]
    quantiser = GumbelQuantiser(width, theirs.num_groups, theirs.num_vars, vectors)
    quantiser.load_state_dict(theirs.state_dict())
    return CarriedQuantiser(quantiser, network.project_hid, network.project_q)
