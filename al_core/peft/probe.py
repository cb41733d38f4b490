"""The probe: logistic regression on pooled embeddings of one hidden state; the encoder stays frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureSpec, FeatureStore, embed
from al_core.logistic import Logistic, fit_logistic
from al_core.normalise import SpeakerNormaliser
from al_core.recipe import Recipe, resolve_layer
from al_core.scheme import Scheme
from al_core.targets import Floats, LabelledClips


def feature_spec(recipe: Recipe, n_layers: int) -> FeatureSpec:
    """The pooled features a probe's recipe reads; RecipeError when the encoder has no such layer."""
    return FeatureSpec(layer=resolve_layer(recipe.layer, n_layers), pooling=recipe.pooling)


def embeddings(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, clips: Sequence[Clip]) -> Floats:
    """(n, d) float32 pooled embeddings, computed where the store lacks them; not speaker-normalised."""
    spec = feature_spec(recipe, encoder.n_layers)
    for _ in embed(encoder, store, [spec], clips):
        pass
    return store.pooled(encoder.digest, spec, [clip.key for clip in clips])


@dataclass(frozen=True, slots=True, eq=False)
class ProbeClassifier:
    """A fitted probe: embedding → (speaker normalisation) → standardisation → softmax.

    Attributes:
        normaliser: statistics of the speakers seen in training; None when the recipe does not normalise.
    """

    scheme: Scheme
    recipe: Recipe
    encoder: SpeechEncoder
    store: FeatureStore
    logistic: Logistic
    normaliser: SpeakerNormaliser | None

    @property
    def encoder_digest(self) -> str:
        """Of the frozen encoder."""
        return self.encoder.digest

    @classmethod
    def fit(
        cls,
        recipe: Recipe,
        scheme: Scheme,
        encoder: SpeechEncoder,
        store: FeatureStore,
        train: LabelledClips,
        all_clips: Sequence[Clip],
        c: float,
    ) -> Self:
        """Fit on the labelled clips; `all_clips` only add to the statistics of their speakers."""
        normaliser = _speaker_statistics(recipe, encoder, store, train, all_clips)
        X = embeddings(recipe, encoder, store, train.clips)  # (n, d)
        if normaliser is not None:
            X = normaliser.transform(X, [clip.speaker for clip in train.clips])
        logistic = fit_logistic(X, train.targets, c, recipe.class_weighted)
        return cls(scheme, recipe, encoder, store, logistic, normaliser)

    def predict(self, clips: Sequence[Clip]) -> Floats:
        """(n, c) float32 probabilities; see `SpeakerNormaliser` for speakers unseen in training."""
        if not clips:
            return np.zeros((0, len(self.scheme)), dtype=np.float32)
        X = embeddings(self.recipe, self.encoder, self.store, clips)  # (n, d)
        if self.normaliser is not None:
            X = self.normaliser.transform(X, [clip.speaker for clip in clips])
        return self.logistic.probabilities(X)


def _speaker_statistics(
    recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, train: LabelledClips, all_clips: Sequence[Clip]
) -> SpeakerNormaliser | None:
    if not recipe.normalise_speakers:
        return None
    every = list({clip.key: clip for clip in (*train.clips, *all_clips)}.values())
    return SpeakerNormaliser.fit(embeddings(recipe, encoder, store, every), [clip.speaker for clip in every])
