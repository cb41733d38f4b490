"""The probe: logistic and ridge regression on pooled embeddings of one hidden state; the encoder stays frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from al_core.classifier import Predictions
from al_core.encoders import SpeechEncoder
from al_core.features import Clip, FeatureSpec, FeatureStore, embed
from al_core.logistic import Logistic, fit_logistic
from al_core.normalise import SpeakerNormaliser
from al_core.recipe import Recipe, RecipeError, resolve_layer
from al_core.ridge import Ridge, fit_ridge
from al_core.scheme import Scheme
from al_core.standardise import Standard
from al_core.targets import Floats, LabelledClips, check_dimensions, from_unit, to_unit


def feature_spec(recipe: Recipe, n_layers: int) -> FeatureSpec:
    """The pooled features a probe's recipe reads; RecipeError when the encoder has no such layer."""
    if recipe.pooling == "attentive":
        raise RecipeError("recipe.pooling is attentive, which is learned: use mean or mean_std with the probe")
    return FeatureSpec(layer=resolve_layer(recipe.layer, n_layers), pooling=recipe.pooling)


def embeddings(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, clips: Sequence[Clip]) -> Floats:
    """(n, d) float32 pooled embeddings, computed where the store lacks them; not speaker-normalised."""
    spec = feature_spec(recipe, encoder.n_layers)
    for _ in embed(encoder, store, [spec], clips):
        pass
    return store.pooled(encoder.digest, spec, [clip.key for clip in clips])


@dataclass(frozen=True, slots=True, eq=False)
class ProbeClassifier:
    """A fitted probe: embedding → (speaker normalisation) → standardisation → softmax, and values of dimensions.

    Attributes:
        logistic: of the classes; None for a scheme without classes.
        ridge: of the dimensions, on the unit scale; None for a scheme without dimensions.
        normaliser: statistics of the speakers seen in training; None when the recipe does not normalise.
    """

    scheme: Scheme
    recipe: Recipe
    encoder: SpeechEncoder
    store: FeatureStore
    logistic: Logistic | None
    ridge: Ridge | None
    normaliser: SpeakerNormaliser | None

    @property
    def encoder_digest(self) -> str:
        """Of the frozen encoder."""
        return self.encoder.digest

    @property
    def n_trainable(self) -> int:
        """Weights that were fitted."""
        return sum(part.weights.size + part.bias.size for part in (self.logistic, self.ridge) if part is not None)

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
        """Fit on the labelled clips; `all_clips` only add to the statistics of their speakers.

        Raises:
            TargetError: a dimension cannot be learned from these labels, see `check_dimensions`.
        """
        check_dimensions(train, scheme)
        normaliser = _speaker_statistics(recipe, encoder, store, train, all_clips)
        X = embeddings(recipe, encoder, store, train.clips)  # (n, d)
        if normaliser is not None:
            X = normaliser.transform(X, [clip.speaker for clip in train.clips])
        standard = Standard.fit(X)
        logistic = fit_logistic(X, train.targets, c, recipe.class_weighted, standard) if scheme.classes else None
        ridge = None if train.dimensions is None else fit_ridge(X, to_unit(train.dimensions, scheme), c, standard)
        return cls(scheme, recipe, encoder, store, logistic, ridge, normaliser)

    def predict(self, clips: Sequence[Clip]) -> Predictions:
        """Probabilities and dimensions; see `SpeakerNormaliser` for speakers unseen in training."""
        probabilities = np.zeros((len(clips), len(self.scheme.classes)), dtype=np.float32)
        dimensions = np.zeros((len(clips), len(self.scheme.dimensions)), dtype=np.float32)
        if not clips:
            return Predictions(probabilities, dimensions)
        X = embeddings(self.recipe, self.encoder, self.store, clips)  # (n, d)
        if self.normaliser is not None:
            X = self.normaliser.transform(X, [clip.speaker for clip in clips])
        if self.logistic is not None:
            probabilities = self.logistic.probabilities(X)
        if self.ridge is not None:
            dimensions = from_unit(self.ridge.values(X), self.scheme)
        return Predictions(probabilities, dimensions)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted, as arrays by name; `from_arrays` gives the classifier back.

        Both regressions share `mean` and `scale`. The names of the normaliser's speakers are no array: keep
        `normaliser.speakers` beside them.
        """
        arrays: dict[str, NDArray[Any]] = {}
        if self.ridge is not None:
            arrays |= {"mean": self.ridge.mean, "scale": self.ridge.scale}
            arrays |= {"dimension_weights": self.ridge.weights, "dimension_bias": self.ridge.bias}
        if self.logistic is not None:
            arrays |= {"mean": self.logistic.mean, "scale": self.logistic.scale}
            arrays |= {"weights": self.logistic.weights, "bias": self.logistic.bias}
        if self.normaliser is not None:
            arrays |= {"means": self.normaliser.means, "stds": self.normaliser.stds}
            arrays |= {"min_clips": np.array([self.normaliser.min_clips])}
        return arrays

    @classmethod
    def from_arrays(
        cls,
        scheme: Scheme,
        recipe: Recipe,
        encoder: SpeechEncoder,
        store: FeatureStore,
        arrays: Mapping[str, NDArray[Any]],
        speakers: tuple[str, ...],
    ) -> Self:
        """The classifier whose `arrays` these are.

        Args:
            scheme, recipe, encoder, store: as of the classifier.
            arrays: from `arrays`; KeyError names one that is missing.
            speakers: names of the normaliser's rows; empty where the recipe does not normalise.
        """
        logistic, ridge, normaliser = None, None, None
        if scheme.classes:
            logistic = Logistic(arrays["mean"], arrays["scale"], arrays["weights"], arrays["bias"])
        if scheme.dimensions:
            ridge = Ridge(arrays["mean"], arrays["scale"], arrays["dimension_weights"], arrays["dimension_bias"])
        if recipe.normalise_speakers:
            min_clips = int(arrays["min_clips"].item())
            normaliser = SpeakerNormaliser(speakers, arrays["means"], arrays["stds"], min_clips)
        return cls(scheme, recipe, encoder, store, logistic, ridge, normaliser)


def _speaker_statistics(
    recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, train: LabelledClips, all_clips: Sequence[Clip]
) -> SpeakerNormaliser | None:
    if not recipe.normalise_speakers:
        return None
    every = list({clip.key: clip for clip in (*train.clips, *all_clips)}.values())
    return SpeakerNormaliser.fit(embeddings(recipe, encoder, store, every), [clip.speaker for clip in every])
