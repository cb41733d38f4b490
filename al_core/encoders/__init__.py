"""Pretrained speech encoders behind one interface."""

from al_core.encoders.base import Batch, EncoderError, SpeechEncoder
from al_core.encoders.opening import encoder_digest, open_encoder

__all__ = ["Batch", "EncoderError", "SpeechEncoder", "encoder_digest", "open_encoder"]
