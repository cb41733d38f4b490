"""The probe: logistic and ridge regression on pooled embeddings of one hidden state; the encoder stays frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from al_core.classifier import Predictions
from al_core.encoders import SpeechEncoder
from al_core.encoders.outline import resolve_layers
from al_core.features import Clip, FeatureSpec, FeatureStore, embed
from al_core.linear.logistic import Logistic, fit_late, fit_logistic
from al_core.linear.ridge import Ridge, fit_ridge
from al_core.linear.standardise import Standard
from al_core.normalise import Normaliser, SentenceCentring, SpeakerNormaliser
from al_core.peft.specs import Probe
from al_core.recipe import Recipe, RecipeError
from al_core.scheme import Scheme
from al_core.targets import Floats, LabelledClips, check_dimensions, from_unit, to_unit


def feature_spec(recipe: Recipe, encoder: SpeechEncoder) -> FeatureSpec:
    """The pooled features a probe's recipe reads; RecipeError when the encoder has no such layer."""
    if recipe.pooling == "attentive":
        raise RecipeError("recipe.pooling is attentive, which is learned: use mean or mean_std with the probe")
    *beside, layer = resolve_layers(recipe, encoder.outline)
    return FeatureSpec(layer, recipe.pooling, beside=tuple(beside))


def embeddings(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, clips: Sequence[Clip]) -> Floats:
    """(n, d) float32 pooled embeddings, computed where the store lacks them; not normalised."""
    spec = feature_spec(recipe, encoder)
    for _ in embed(encoder, store, [spec], clips):
        pass
    return store.pooled(encoder.digest, spec, [clip.key for clip in clips])


@dataclass(frozen=True, slots=True, eq=False)
class ProbeClassifier:
    """A fitted probe: embedding → (normalisation) → standardisation → softmax, and values of dimensions.

    Attributes:
        logistic: of the classes; None for a scheme without classes.
        ridge: of the dimensions, on the unit scale; None for a scheme without dimensions.
        normaliser: statistics of the speakers and sentences seen in training, as far as the recipe normalises.
    """

    scheme: Scheme
    recipe: Recipe
    encoder: SpeechEncoder
    store: FeatureStore
    logistic: Logistic | None
    ridge: Ridge | None
    normaliser: Normaliser

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
        method: Probe,
    ) -> Self:
        """Fit on the labelled clips; `all_clips` only add to the statistics of their speakers and sentences.

        A normalisation that is left to be decided, "auto", is done.

        Raises:
            TargetError: a dimension cannot be learned from these labels, see `check_dimensions`.
        """
        check_dimensions(train, scheme)
        normaliser = _statistics(recipe, encoder, store, train, all_clips)
        X = normaliser.transform(embeddings(recipe, encoder, store, train.clips), train.clips)  # (n, d)
        standard = Standard.fit(X)
        states = len(resolve_layers(recipe, encoder.outline))
        logistic = _logistic(method, recipe, X, train, standard, states) if scheme.classes else None
        unit = None if train.dimensions is None else to_unit(train.dimensions, scheme)
        ridge = None if unit is None else fit_ridge(X, unit, method.c, standard)
        return cls(scheme, recipe, encoder, store, logistic, ridge, normaliser)

    def predict(self, clips: Sequence[Clip]) -> Predictions:
        """Probabilities and dimensions; see `SpeakerNormaliser` for speakers unseen in training."""
        probabilities = np.zeros((len(clips), len(self.scheme.classes)), dtype=np.float32)
        dimensions = np.zeros((len(clips), len(self.scheme.dimensions)), dtype=np.float32)
        if not clips:
            return Predictions(probabilities, dimensions)
        X = self.normaliser.transform(embeddings(self.recipe, self.encoder, self.store, clips), clips)  # (n, d)
        if self.logistic is not None:
            probabilities = self.logistic.probabilities(X)
        if self.ridge is not None:
            dimensions = from_unit(self.ridge.values(X), self.scheme)
        return Predictions(probabilities, dimensions)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted, as arrays by name; `from_arrays` gives the classifier back.

        Both regressions share `mean` and `scale`. The names of the normaliser's speakers and sentences are no arrays:
        keep `speakers` and `sentences` beside them.
        """
        arrays: dict[str, NDArray[Any]] = {}
        if self.ridge is not None:
            arrays |= {"mean": self.ridge.mean, "scale": self.ridge.scale}
            arrays |= {"dimension_weights": self.ridge.weights, "dimension_bias": self.ridge.bias}
        if self.logistic is not None:
            arrays |= {"mean": self.logistic.mean, "scale": self.logistic.scale}
            arrays |= {"weights": self.logistic.weights, "bias": self.logistic.bias}
        by_speaker, by_sentence = self.normaliser.by_speaker, self.normaliser.by_sentence
        if by_speaker is not None:
            arrays |= {"means": by_speaker.means, "stds": by_speaker.stds}
            arrays |= {"min_clips": np.array([by_speaker.min_clips])}
        if by_sentence is not None:
            arrays["sentence_means"] = by_sentence.means
        return arrays

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names whose statistics are stored, in row order."""
        return () if self.normaliser.by_speaker is None else self.normaliser.by_speaker.speakers

    @property
    def sentences(self) -> tuple[str, ...]:
        """Sentences whose means are stored, in row order."""
        return () if self.normaliser.by_sentence is None else self.normaliser.by_sentence.sentences

    @classmethod
    def from_arrays(
        cls,
        scheme: Scheme,
        recipe: Recipe,
        encoder: SpeechEncoder,
        store: FeatureStore,
        arrays: Mapping[str, NDArray[Any]],
        speakers: tuple[str, ...],
        sentences: tuple[str, ...] = (),
    ) -> Self:
        """The classifier whose `arrays` these are.

        Args:
            scheme, recipe, encoder, store: as of the classifier.
            arrays: from `arrays`; KeyError names one that is missing.
            speakers, sentences: names of the normaliser's rows; empty where the recipe does not normalise.
        """
        logistic, ridge, by_speaker, by_sentence = None, None, None, None
        if scheme.classes:
            logistic = Logistic(arrays["mean"], arrays["scale"], arrays["weights"], arrays["bias"])
        if scheme.dimensions:
            ridge = Ridge(arrays["mean"], arrays["scale"], arrays["dimension_weights"], arrays["dimension_bias"])
        if recipe.normalise_speakers:
            min_clips = int(arrays["min_clips"].item())
            by_speaker = SpeakerNormaliser(speakers, arrays["means"], arrays["stds"], min_clips)
        if recipe.normalise_sentences:
            by_sentence = SentenceCentring(sentences, arrays["sentence_means"])
        return cls(scheme, recipe, encoder, store, logistic, ridge, Normaliser(by_speaker, by_sentence))


def _logistic(
    method: Probe, recipe: Recipe, X: Floats, train: LabelledClips, standard: Standard, states: int
) -> Logistic:
    """The regression of the classes on (n, d) embeddings of `states` hidden states, fused as the method says."""
    if method.fusion == "late":
        return fit_late(X, train.mass, method.c, recipe.class_weighted, standard, states)
    # s states make the kernel s times as large
    return fit_logistic(X, train.mass, method.c / states, recipe.class_weighted, standard)


def _statistics(
    recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, train: LabelledClips, all_clips: Sequence[Clip]
) -> Normaliser:
    if not (recipe.normalise_speakers or recipe.normalise_sentences):
        return Normaliser(None, None)
    every = list({clip.key: clip for clip in (*train.clips, *all_clips)}.values())
    X = embeddings(recipe, encoder, store, every)
    return Normaliser.fit(X, every, bool(recipe.normalise_speakers), bool(recipe.normalise_sentences))


def normalised(recipe: Recipe, X: Floats, clips: Sequence[Clip]) -> Floats:
    """(n, d) embeddings of clips, normalised over themselves as the recipe says: what strategies compare clips by."""
    speakers, sentences = bool(recipe.normalise_speakers), bool(recipe.normalise_sentences)
    return Normaliser.fit(X, clips, speakers, sentences).transform(X, clips)
