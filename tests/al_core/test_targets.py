"""Labels as distributions: validation, class weights, and the digest that tells two sets of labels apart."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from al_core.features import Clip
from al_core.scheme import Scheme, SchemeError
from al_core.targets import LabelledClips, TargetError, class_weights, labels_digest, one_hot

SCHEME = Scheme(("anger", "joy", "neutral"))


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
