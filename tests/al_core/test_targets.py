"""Labels as distributions: validation, class weights, and the digest that tells two sets of labels apart."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from al_core.features import Clip
from al_core.scheme import Dimension, Scheme, SchemeError
from al_core.targets import (
    LabelledClips,
    TargetError,
    check_dimensions,
    class_weights,
    from_unit,
    labels_digest,
    one_hot,
    to_unit,
)

SCHEME = Scheme(("anger", "joy", "neutral"))
BOTH = Scheme(SCHEME.classes, (Dimension("valence", 1, 5), Dimension("arousal", -1, 1)))
GOOD = ((1.0, -1.0), (5.0, np.nan), (np.nan, 0.5))


def clip(key: str) -> Clip:
    return Clip(key, 1.0, None, lambda: np.zeros(16_000, dtype=np.float32))


def test_one_hot_rows_follow_the_scheme_s_order():
    np.testing.assert_array_equal(one_hot(["neutral", "anger"], SCHEME), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(SchemeError, match="'rage'"):
        one_hot(["rage"], SCHEME)


@pytest.mark.parametrize("row", [[0.5, 0.2, 0.0], [1.5, -0.5, 0.0], [np.nan, 1.0, 0.0]])
def test_a_row_that_is_no_distribution_is_refused_by_the_clip_s_name(row):
    targets = np.array([[1, 0, 0], row], dtype=np.float32)
    with pytest.raises(TargetError, match="clip bad"):
        LabelledClips((clip("good"), clip("bad")), targets)


def test_targets_and_clips_must_be_as_many():
    with pytest.raises(TargetError, match="1 clips"):
        LabelledClips((clip("one"),), np.eye(3, dtype=np.float32))


def test_class_weights_of_labels_are_scikit_learn_s_balanced():
    labels = np.array([0] * 7 + [1] * 2 + [2] * 3)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(class_weights(np.eye(3, dtype=np.float32)[labels]), expected, rtol=1e-6)


def test_a_class_that_never_occurs_weighs_nothing():
    np.testing.assert_array_equal(class_weights(np.eye(3, dtype=np.float32)[[0, 1, 1]])[2], 0)


def test_the_labels_digest_ignores_order_and_notices_a_changed_label():
    targets = one_hot(["anger", "joy"], SCHEME)
    digest = labels_digest(["a", "b"], targets)
    assert labels_digest(["b", "a"], targets[::-1]) == digest
    assert labels_digest(["a", "b"], targets[::-1]) != digest
    assert labels_digest(["a"], targets[:1]) != digest


def valued(rows) -> LabelledClips:
    """Clips of the first class with these values."""
    clips = tuple(clip(f"clip-{i}") for i in range(len(rows)))
    return LabelledClips(clips, one_hot(["anger"] * len(rows), SCHEME), np.array(rows, dtype=np.float32))


def test_the_labels_digest_notices_a_changed_value_of_a_dimension():
    targets, values = one_hot(["anger", "joy"], SCHEME), np.array([[1.0], [np.nan]], dtype=np.float32)
    digest = labels_digest(["a", "b"], targets, values)
    assert labels_digest(["b", "a"], targets[::-1], values[::-1]) == digest
    assert labels_digest(["a", "b"], targets, values + 1) != digest
    assert labels_digest(["a", "b"], targets) != digest


def test_values_go_to_the_unit_scale_and_back_and_are_clipped_only_on_the_way_back():
    values = np.array([[1, -1], [5, 1], [2, np.nan]], dtype=np.float32)
    np.testing.assert_allclose(to_unit(values, BOTH), [[0, 0], [1, 1], [0.25, np.nan]])
    np.testing.assert_allclose(from_unit(to_unit(values, BOTH), BOTH), values)
    np.testing.assert_allclose(from_unit(np.array([[-0.5, 1.5]], dtype=np.float32), BOTH), [[1, 1]])
    np.testing.assert_allclose(to_unit(np.array([[7, 0]], dtype=np.float32), BOTH), [[1.5, 0.5]])


def test_values_that_differ_inside_their_ranges_can_be_learned():
    check_dimensions(valued(GOOD), BOTH)
    check_dimensions(LabelledClips((clip("one"),), one_hot(["joy"], SCHEME)), SCHEME)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (((3, 0), (3, 0.5), (np.nan, 0.1)), "every training value of valence is 3"),
        (((3, 0), (np.nan, 0.5)), "every training value of valence is 3"),
        (((np.nan, 0), (np.nan, 0.5)), "no training clip has a value of valence"),
        (((3, 0), (4, 1.25)), "arousal of clip clip-1 is 1.25: the scheme's range is -1 to 1"),
        (((0.5, 0), (4, 1)), "valence of clip clip-0 is 0.5: the scheme's range is 1 to 5"),
        (((3,), (4,)), "1 dimensions, the scheme 2"),
    ],
    ids=["constant", "single", "none", "above", "below", "columns"],
)
def test_dimensions_that_cannot_be_learned_are_refused_by_their_names(rows, sentence):
    with pytest.raises(TargetError, match=sentence):
        check_dimensions(valued(rows), BOTH)


def test_dimensions_without_ranges_and_ranges_without_values_are_refused():
    with pytest.raises(TargetError, match="the scheme no ranges"):
        check_dimensions(valued(GOOD), SCHEME)
    with pytest.raises(TargetError, match="no dimensions, the scheme has valence, arousal"):
        check_dimensions(LabelledClips((clip("one"),), one_hot(["joy"], SCHEME)), BOTH)


def test_a_clip_about_which_nothing_is_known_is_refused_and_one_with_a_value_alone_is_not():
    values = np.array([[np.nan, 0.5], [np.nan, np.nan]], dtype=np.float32)
    LabelledClips((clip("valued"),), np.zeros((1, 3), dtype=np.float32), values[:1])
    with pytest.raises(TargetError, match="clip unknown"):
        LabelledClips((clip("valued"), clip("unknown")), np.zeros((2, 3), dtype=np.float32), values)
