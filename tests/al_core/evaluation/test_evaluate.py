"""Figures of a learning-curve point and their intervals over speakers."""

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from numpy.random import default_rng
from sklearn.metrics import balanced_accuracy_score, f1_score, root_mean_squared_error

from al_core.classifier import Predictions
from al_core.evaluation.evaluate import Evaluation, EvaluationError, Truth, evaluate
from al_core.evaluation.metrics import ccc, ece, macro_f1, rmse, wa
from al_core.features import Clip
from al_core.scheme import Dimension, Scheme
from al_core.targets import LabelledClips

CLASSES = ("anger", "neutral", "sadness")
SCHEME = Scheme(CLASSES)
BOTH = Scheme(CLASSES, (Dimension("arousal", 1, 7), Dimension("valence", -1, 1)))
Split = tuple[Predictions, Truth, list[str | None]]


def a_split(n: int = 300, n_speakers: int = 6, seed: int = 0, scheme: Scheme = SCHEME) -> Split:
    """Predictions, labels and speakers; each speaker is understood to a different degree."""
    rng = default_rng(seed)
    labels = np.arange(n) % 3
    speakers = rng.integers(n_speakers, size=n)
    understood = rng.random(n) < np.linspace(0.3, 0.9, n_speakers)[speakers]
    guesses = np.where(understood, labels, rng.integers(3, size=n))
    logits = 2 * np.eye(3)[guesses] + rng.gumbel(size=(n, 3)) / 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    m = len(scheme.dimensions)
    low, high = np.array([(d.low, d.high) for d in scheme.dimensions]).reshape(m, 2).T
    truth = rng.uniform(low, high, (n, m))
    doubt = np.linspace(0.8, 0.1, n_speakers)[speakers, None]
    heard = np.clip((1 - doubt) * truth + doubt * rng.uniform(low, high, (n, m)) + 0.1 * doubt, low, high)
    return (
        Predictions(probabilities.astype(np.float32), heard.astype(np.float32)),
        Truth(labels, truth.astype(np.float32)),
        [f"speaker {s}" for s in speakers],
    )


def rows(split: Split, kept: np.ndarray) -> Split:
    predictions, truth, speakers = split
    return (
        Predictions(predictions.probabilities[kept], predictions.dimensions[kept]),
        Truth(truth.classes[kept], truth.dimensions[kept]),
        [speakers[i] for i in kept],
    )


def of_classes(found: Evaluation):
    assert found.classes is not None
    return found.classes


def test_the_figures_are_those_of_the_metrics() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    predicted = predictions.probabilities.argmax(axis=1)
    found = evaluate(predictions, truth, speakers, BOTH)
    classes = of_classes(found)
    assert classes.uar == pytest.approx(balanced_accuracy_score(truth.classes, predicted))
    assert (classes.wa, classes.macro_f1) == (wa(truth.classes, predicted, 3), macro_f1(truth.classes, predicted, 3))
    assert classes.ece == ece(truth.classes, predictions.probabilities)
    assert found.n == sum(map(sum, classes.confusion)) == 300
    assert classes.uar == pytest.approx(np.mean(classes.per_class_recall))
    for k, dimension in enumerate(found.dimensions):
        assert dimension.name == BOTH.dimensions[k].name
        assert dimension.ccc == ccc(truth.dimensions[:, k], predictions.dimensions[:, k])
        assert dimension.rmse == rmse(truth.dimensions[:, k], predictions.dimensions[:, k])
        assert dimension.n == 300


@pytest.mark.parametrize("n_speakers", [3, 12])
def test_every_interval_is_that_of_a_literal_bootstrap_that_draws_whole_speakers(n_speakers: int) -> None:
    split = a_split(120, n_speakers, scheme=BOTH)
    predictions, truth, speakers = split
    names, rng = sorted(set(speakers)), default_rng(7)
    figures: dict[str, list[float]] = {}
    for _ in range(300):
        times = rng.multinomial(len(names), [1 / len(names)] * len(names))
        drawn = [i for t, name in zip(times, names, strict=True) for _ in range(t) for i in own(speakers, name)]
        label, guess = truth.classes[drawn], predictions.probabilities[drawn].argmax(axis=1)
        there = [k for k in range(3) if k in label]
        recalls = [np.mean(guess[label == k] == k) for k in there]
        figures.setdefault("uar", []).append(float(np.mean(recalls)))
        figures.setdefault("wa", []).append(float(np.mean(label == guess)))
        figures.setdefault("macro_f1", []).append(f1_score(label, guess, average="macro"))
        figures.setdefault("ece", []).append(ece(label, predictions.probabilities[drawn]))
        for k in range(2):
            x, y = truth.dimensions[drawn, k], predictions.dimensions[drawn, k]
            figures.setdefault(f"ccc {k}", []).append(ccc(x, y))
            figures.setdefault(f"rmse {k}", []).append(root_mean_squared_error(x, y))
    found = evaluate(predictions, truth, speakers, BOTH, seed=7, resamples=300)
    plain = asdict(of_classes(found))
    for k, dimension in enumerate(found.dimensions):
        plain |= {f"{name} {k}_{end}": asdict(dimension)[f"{name}_{end}"] for name in ("ccc", "rmse") for end in ENDS}
    for name, values in figures.items():
        expected = np.quantile(values, [0.025, 0.975])
        np.testing.assert_allclose([plain[f"{name}_{end}"] for end in ENDS], expected, atol=1e-6, err_msg=name)


ENDS = ("low", "high")


def own(speakers: list[str | None], name: str | None) -> list[int]:
    return [i for i, speaker in enumerate(speakers) if speaker == name]


def test_the_interval_does_not_depend_on_how_many_resamples_are_held_at_once(monkeypatch) -> None:
    split = a_split(60, scheme=BOTH)
    whole = evaluate(*split, BOTH, resamples=500)
    monkeypatch.setattr("al_core.evaluation.bootstrap._COUNTS_AT_ONCE", 100)
    assert evaluate(*split, BOTH, resamples=500) == whole


def test_clips_of_few_speakers_say_less_than_as_many_clips_of_strangers() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    over_speakers = evaluate(predictions, truth, speakers, BOTH)
    strangers: list[str | None] = [None] * 300
    over_clips = evaluate(predictions, truth, strangers, BOTH)

    def widths(found: Evaluation) -> np.ndarray:
        first = found.dimensions[0]
        return np.array([of_classes(found).uar_high - of_classes(found).uar_low, first.ccc_high - first.ccc_low])

    assert (widths(over_speakers) > 1.5 * widths(over_clips)).all()


def test_clips_are_resampled_where_a_speaker_is_unknown_or_there_is_only_one() -> None:
    predictions, truth, speakers = a_split()
    over_clips = evaluate(predictions, truth, [None] * 300, SCHEME)
    assert evaluate(predictions, truth, [None, *speakers[1:]], SCHEME) == over_clips
    assert evaluate(predictions, truth, ["one"] * 300, SCHEME) == over_clips


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    split = a_split()
    first, again, other = (of_classes(evaluate(*split, SCHEME, seed)) for seed in (1, 1, 2))
    assert first == again
    assert (first.uar_low, first.uar_high) != (other.uar_low, other.uar_high)
    assert first.uar == other.uar


def test_a_resample_that_lacks_a_class_is_averaged_over_those_it_has() -> None:
    """Each speaker has one class only, and all is right: every resample is right too."""
    labels = np.repeat(np.arange(3), 5)
    nothing = np.zeros((15, 0), dtype=np.float32)
    predictions = Predictions(np.eye(3, dtype=np.float32)[labels], nothing)
    found = of_classes(evaluate(predictions, Truth(labels, nothing), [f"speaker {k}" for k in labels], SCHEME))
    assert (found.uar_low, found.uar_high) == (found.macro_f1_low, found.macro_f1_high) == (1.0, 1.0)


def test_clips_without_a_label_count_for_nothing() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    classes, dimensions = truth.classes.copy(), truth.dimensions.copy()
    classes[:90], dimensions[200:, 1] = -1, np.nan
    found = evaluate(predictions, Truth(classes, dimensions), speakers, BOTH)
    labelled, valued = (rows((predictions, truth, speakers), np.arange(*span)) for span in ((90, 300), (0, 200)))
    assert found.n == 300
    assert found.classes == evaluate(*labelled, BOTH).classes
    assert found.dimensions[1] == evaluate(*valued, BOTH).dimensions[1]
    assert [dimension.n for dimension in found.dimensions] == [300, 200]


def test_a_scheme_of_dimensions_alone_has_no_figures_of_classes() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    nothing = np.zeros((300, 0), dtype=np.float32)
    unknown = Truth(np.full(300, -1), truth.dimensions)
    found = evaluate(Predictions(nothing, predictions.dimensions), unknown, speakers, Scheme((), BOTH.dimensions))
    assert found.classes is None
    assert found.dimensions == evaluate(predictions, truth, speakers, BOTH).dimensions


def test_values_far_from_zero_have_the_same_interval_of_ccc() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    shift = np.float32(512)
    far = Scheme(CLASSES, (Dimension("arousal", 513, 519), Dimension("valence", 511, 513)))
    found = evaluate(
        Predictions(predictions.probabilities, predictions.dimensions + shift),
        Truth(truth.classes, truth.dimensions + shift),
        speakers,
        far,
    )
    near = evaluate(predictions, truth, speakers, BOTH)
    for one, other in zip(found.dimensions, near.dimensions, strict=True):
        assert asdict(one) == pytest.approx(asdict(other), abs=1e-3)


def test_truth_is_the_most_likely_class_of_a_distribution_and_unknown_where_there_is_none() -> None:
    clips = tuple(Clip(str(i), 1.0, None, lambda: np.zeros(16_000, dtype=np.float32)) for i in range(3))
    targets = np.array([[0.2, 0.5, 0.3], [0, 0, 0], [0, 0, 1]], dtype=np.float32)
    values = np.array([[np.nan], [3.0], [2.0]], dtype=np.float32)
    truth = Truth.of(LabelledClips(clips, targets, values))
    assert truth.classes.tolist() == [1, -1, 2]
    np.testing.assert_array_equal(truth.dimensions, values)
    assert Truth.of(LabelledClips(clips[::2], targets[::2])).dimensions.shape == (2, 0)


def test_a_test_split_that_lacks_a_class_or_values_is_refused_by_its_name() -> None:
    split = a_split(scheme=BOTH)
    with pytest.raises(EvaluationError, match="no clip of sadness"):
        evaluate(*rows(split, np.flatnonzero(split[1].classes != 2)), BOTH)
    predictions, truth, speakers = split
    for value in (np.nan, 0.25):
        flat = truth.dimensions.copy()
        flat[:, 1] = value
        with pytest.raises(EvaluationError, match="values of valence"):
            evaluate(predictions, Truth(truth.classes, flat), speakers, BOTH)


def test_predictions_that_are_not_finite_or_do_not_fit_are_refused() -> None:
    predictions, truth, speakers = a_split(scheme=BOTH)
    with pytest.raises(EvaluationError, match="do not fit"):
        evaluate(Predictions(predictions.probabilities[:, :2], predictions.dimensions), truth, speakers, BOTH)
    with pytest.raises(EvaluationError, match="dimensions do not fit"):
        evaluate(Predictions(predictions.probabilities, predictions.dimensions[:, :1]), truth, speakers, BOTH)
    with pytest.raises(EvaluationError, match="do not fit"):
        evaluate(predictions, truth, speakers[:-1], BOTH)
    with pytest.raises(EvaluationError, match="outside the scheme"):
        evaluate(predictions, Truth(truth.classes + 1, truth.dimensions), speakers, BOTH)
    for broken in (predictions.probabilities, predictions.dimensions):
        before, broken[5, 0] = broken[5, 0], np.nan
        with pytest.raises(EvaluationError, match="NaN or infinite"):
            evaluate(predictions, truth, speakers, BOTH)
        broken[5, 0] = before


def test_figures_need_no_torch() -> None:
    code = "import sys, al_core.evaluation.evaluate, al_core.evaluation.fairness; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
