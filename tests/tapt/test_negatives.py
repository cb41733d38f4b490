import numpy as np
import pytest

from tapt.negatives import draw_negatives


def test_a_frame_is_never_its_own_distractor_and_every_other_is_as_likely() -> None:
    (drawn,) = draw_negatives([5], 20_000, [np.random.default_rng(0)])
    shares = np.stack([np.bincount(row, minlength=5) / 20_000 for row in drawn])
    assert (np.diag(shares) == 0).all()
    assert shares[~np.eye(5, dtype=bool)] == pytest.approx(0.25, abs=0.02)


def test_distractors_stay_within_the_clip() -> None:
    drawn = draw_negatives([2, 0, 7], 30, [np.random.default_rng(1)] * 3)
    assert [rows.shape for rows in drawn] == [(2, 30), (0, 30), (7, 30)]
    assert drawn[0].tolist() == [[1] * 30, [0] * 30]
    assert drawn[2].max() == 6


def test_a_frame_alone_has_none() -> None:
    with pytest.raises(ValueError, match="alone"):
        draw_negatives([4, 1], 3, [np.random.default_rng(0)] * 2)
