"""Pretrained speech encoders behind one interface.

Names are imported when they are first asked for: `al_core.encoders.outline` needs no torch and must not bring it along.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from al_core.encoders.base import Batch, EncoderError, SpeechEncoder
    from al_core.encoders.opening import encoder_digest, open_encoder

__all__ = ["Batch", "EncoderError", "SpeechEncoder", "encoder_digest", "open_encoder"]

_HOMES = {
    "Batch": "base",
    "EncoderError": "base",
    "SpeechEncoder": "base",
    "encoder_digest": "opening",
    "open_encoder": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
