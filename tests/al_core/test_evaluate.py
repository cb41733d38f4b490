"""Figures of a learning-curve point and the interval over speakers."""

import numpy as np
import pytest
from numpy.random import default_rng
from sklearn.metrics import balanced_accuracy_score

from al_core.evaluate import Evaluation, EvaluationError, evaluate
from al_core.metrics import macro_f1, wa
from al_core.scheme import Scheme

SCHEME = Scheme(("anger", "neutral", "sadness"))


def a_split(n: int = 300, n_speakers: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Predictions (n, 3), labels (n,), speakers; each speaker is understood to a different degree."""
    rng = default_rng(seed)
    labels = np.arange(n) % 3
    speakers = rng.integers(n_speakers, size=n)
    understood = rng.random(n) < np.linspace(0.3, 0.9, n_speakers)[speakers]
    guesses = np.where(understood, labels, rng.integers(3, size=n))
    return np.eye(3, dtype=np.float32)[guesses], labels, [f"speaker {s}" for s in speakers]


def test_the_figures_are_those_of_the_metrics() -> None:
    probabilities, labels, speakers = a_split()
    predicted = probabilities.argmax(axis=1)
    found = evaluate(probabilities, labels, speakers, SCHEME)
    assert found.uar == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert (found.wa, found.macro_f1) == (wa(labels, predicted, 3), macro_f1(labels, predicted, 3))
    assert found.n == sum(map(sum, found.confusion)) == 300
    assert found.uar == pytest.approx(np.mean(found.per_class_recall))


def test_the_interval_is_that_of_a_literal_bootstrap_over_speakers() -> None:
    probabilities, labels, speakers = a_split()
    predicted, names, rng = probabilities.argmax(axis=1), sorted(set(speakers)), default_rng(7)
    uars = []
    for _ in range(1500):
        drawn = rng.choice(names, len(names))
        rows = np.concatenate([np.flatnonzero(np.array(speakers) == name) for name in drawn])
        uars.append(balanced_accuracy_score(labels[rows], predicted[rows]))
    found = evaluate(probabilities, labels, speakers, SCHEME, resamples=4000)
    np.testing.assert_allclose((found.uar_low, found.uar_high), np.quantile(uars, [0.025, 0.975]), atol=0.02)


def test_clips_of_few_speakers_say_less_than_as_many_clips_of_strangers() -> None:
    probabilities, labels, speakers = a_split()

    def width(found: Evaluation) -> float:
        return found.uar_high - found.uar_low

    over_speakers = width(evaluate(probabilities, labels, speakers, SCHEME))
    strangers: list[str | None] = [None] * len(labels)
    assert over_speakers > 1.5 * width(evaluate(probabilities, labels, strangers, SCHEME))


def test_clips_are_resampled_where_a_speaker_is_unknown_or_there_is_only_one() -> None:
    probabilities, labels, speakers = a_split()
    strangers: list[str | None] = [None] * len(labels)
    over_clips = evaluate(probabilities, labels, strangers, SCHEME)
    assert evaluate(probabilities, labels, [None, *speakers[1:]], SCHEME) == over_clips
    assert evaluate(probabilities, labels, ["one"] * len(labels), SCHEME) == over_clips


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    probabilities, labels, speakers = a_split()
    first, again, other = (evaluate(probabilities, labels, speakers, SCHEME, seed) for seed in (1, 1, 2))
    assert first == again
    assert (first.uar_low, first.uar_high) != (other.uar_low, other.uar_high)
    assert first.uar == other.uar


def test_a_resample_that_lacks_a_class_is_averaged_over_those_it_has() -> None:
    """Each speaker has one class only, and all is right: every resample is right too."""
    labels = np.repeat(np.arange(3), 5)
    found = evaluate(np.eye(3, dtype=np.float32)[labels], labels, [f"speaker {k}" for k in labels], SCHEME)
    assert (found.uar_low, found.uar_high) == (1.0, 1.0)


def test_a_test_split_that_lacks_a_class_is_refused_by_its_name() -> None:
    probabilities, labels, speakers = a_split()
    kept = np.flatnonzero(labels != 2)
    with pytest.raises(EvaluationError, match="no clip of sadness"):
        evaluate(probabilities[kept], labels[kept], [speakers[i] for i in kept], SCHEME)


def test_predictions_that_are_not_finite_or_do_not_fit_are_refused() -> None:
    probabilities, labels, speakers = a_split()
    with pytest.raises(EvaluationError, match="do not fit"):
        evaluate(probabilities[:, :2], labels, speakers, SCHEME)
    probabilities[5, 0] = np.nan
    with pytest.raises(EvaluationError, match="NaN or infinite"):
        evaluate(probabilities, labels, speakers, SCHEME)
