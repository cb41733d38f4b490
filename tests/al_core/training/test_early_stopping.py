"""What a run is stopped early by."""

import numpy as np
import pytest

from al_core.classifier import Predictions
from al_core.evaluation.metrics import ccc
from al_core.features import Clip
from al_core.targets import LabelledClips
from al_core.training.early_stopping import DevFigures, Kept, dev_figures

TARGETS = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
AROUSAL = np.array([1, 2, 4, 3], dtype=np.float32)
CONSTANT = np.array([5, np.nan, 5, 5], dtype=np.float32)
PROBABILITIES = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.7, 0], [1, 0, 0]], dtype=np.float32)
PREDICTED = np.array([[1, 4], [3, 1], [4, 6], [2, 5]], dtype=np.float32)


def figures(targets: np.ndarray, *dimensions: np.ndarray) -> DevFigures:
    clips = tuple(Clip(str(i), 1.0, None, lambda: np.zeros(1, np.float32)) for i in range(len(targets)))
    values = np.stack(dimensions, axis=1) if dimensions else None
    predictions = Predictions(PROBABILITIES[: len(clips)], PREDICTED[: len(clips), : len(dimensions)])
    return dev_figures(predictions, LabelledClips(clips, targets, values))


def test_classes_are_watched_by_the_mean_recall_of_those_dev_holds():
    assert figures(TARGETS[:3]) == DevFigures(uar=(0.5 + 1.0) / 2, ccc=None)
    assert figures(TARGETS[:3]).watched == 0.75


def test_dimensions_are_watched_by_their_mean_ccc_without_those_that_do_not_vary():
    nowhere = np.zeros((4, 3), dtype=np.float32)
    found = figures(nowhere, AROUSAL, CONSTANT)
    assert found == DevFigures(uar=None, ccc=pytest.approx(ccc(AROUSAL, PREDICTED[:, 0])))
    assert found.watched == found.ccc


def test_both_are_watched_by_their_mean_and_a_clip_without_a_class_counts_for_its_dimensions_only():
    found = figures(TARGETS, AROUSAL, CONSTANT)
    assert found.uar == 0.75
    assert found.ccc == pytest.approx(ccc(AROUSAL, PREDICTED[:, 0]))
    assert found.watched == pytest.approx((found.uar + found.ccc) / 2)


def test_a_dev_whose_values_never_vary_watches_nothing():
    assert figures(np.zeros((4, 3), dtype=np.float32)[:3], CONSTANT[[0, 2, 3]]) == DevFigures(None, None)


def test_only_a_higher_figure_is_kept_and_without_one_every_epoch_is():
    kept = Kept(2, DevFigures(uar=0.5), {})
    assert not kept.beaten_by(DevFigures(uar=0.5))
    assert kept.beaten_by(DevFigures(uar=0.51))
    assert Kept(2, DevFigures(), {}).beaten_by(DevFigures())
    assert [kept.exhausted(epoch, patience=2) for epoch in (3, 4, 5)] == [False, True, True]
    assert not Kept(0, DevFigures(), {}).exhausted(30, patience=2)
