"""Features of clips: computed once by an encoder, kept on disk, read by everything that follows."""

from al_core.features.clip import Clip, FeatureError, FeatureSpec
from al_core.features.embedding import EmbedReport, embed
from al_core.features.packing import pack_by_length
from al_core.features.store import FeatureStore

__all__ = ["Clip", "EmbedReport", "FeatureError", "FeatureSpec", "FeatureStore", "embed", "pack_by_length"]
