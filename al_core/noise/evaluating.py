"""Evaluation under noise: the same test clips at falling signal-to-noise ratios."""

from collections.abc import Sequence

from al_core.classifier import Classifier
from al_core.evaluation.evaluate import Evaluation, Truth, evaluate
from al_core.features import Clip
from al_core.noise.noisy import noisy
from al_core.scheme import Scheme

SNRS_DB = (20.0, 10.0, 5.0, 0.0)


def evaluate_under_noise(
    classifier: Classifier,
    clips: Sequence[Clip],
    truth: Truth,
    speakers: Sequence[str | None],
    scheme: Scheme,
    snrs_db: Sequence[float] = SNRS_DB,
    noises: Sequence[Clip] | None = None,
    seed: int = 0,
) -> dict[float, Evaluation]:
    """Figures at each SNR, with the same noise in the same place at every one.

    Args:
        classifier: predicts the noisy clips.
        clips: the n clean test clips.
        truth, speakers, scheme: as of `evaluate`.
        snrs_db: signal-to-noise ratios in decibels.
        noises: recordings of noise; None for white Gaussian noise.
        seed: of the noise and the bootstrap.

    Raises:
        EvaluationError: as `evaluate`.
        NoiseError: `noises` is empty, or every place tried in it is silent.
    """
    return {
        snr_db: evaluate(classifier.predict(noisy(clips, snr_db, noises, seed)), truth, speakers, scheme, seed)
        for snr_db in snrs_db
    }
