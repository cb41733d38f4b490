"""embed: compute the pooled embeddings that are missing, for the project's encoder and recipe."""

import time
from collections.abc import Sequence
from dataclasses import replace

from al_core import features
from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureSpec
from al_core.peft.probe import feature_spec
from al_core.recipe import Recipe
from app.jobs.context import JobContext
from app.specs import read_recipe


def run(context: JobContext) -> None:
    """Embed all clips of the project. What a killed run had embedded is found and not computed again."""
    encoder = context.encoder()
    spec = pool_spec(read_recipe(context.project().recipe), encoder)
    clips = list(context.clips().values())
    begun = time.perf_counter()
    n_embedded = embed_missing(context, encoder, spec, clips)
    result = {
        "clips": len(clips),
        "embedded": n_embedded,
        "encoder_digest": encoder.digest,
        "seconds": round(time.perf_counter() - begun, 3),
    }
    with context.conclude(result):
        pass


def pool_spec(recipe: Recipe, encoder: SpeechEncoder) -> FeatureSpec:
    """The embeddings a strategy compares clips by: of the recipe's layer and pooling; a learned pooling's are means."""
    return feature_spec(replace(recipe, pooling="mean") if recipe.pooling == "attentive" else recipe, encoder)


def embed_missing(context: JobContext, encoder: SpeechEncoder, spec: FeatureSpec, clips: Sequence[Clip]) -> int:
    """Embed with progress; returns how many clips were missing."""
    n_missing = len(context.store.missing(encoder.digest, spec, [clip.key for clip in clips]))
    for report in features.embed(encoder, context.store, [spec], clips):
        context.report("embed", done=report.done, total=report.total, seconds_audio=round(report.seconds_audio, 1))
    return n_missing
