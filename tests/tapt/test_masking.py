import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapt.masking import mask_spans


def runs(row: np.ndarray) -> list[int]:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return [int(stop - start) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("share", [0.2, 0.4, 0.65])
def test_the_share_asked_for_is_hidden_on_average(share: float) -> None:
    rng = np.random.default_rng(0)
    masked = np.concatenate([mask_spans([97] * 50, share, 10, [rng] * 50) for _ in range(20)])
    assert masked.mean() == pytest.approx(share, abs=0.01)


def test_every_place_inside_a_clip_is_hidden_about_as_often() -> None:
    rng = np.random.default_rng(1)
    often = mask_spans([60] * 4000, 0.4, 6, [rng] * 4000).mean(0)
    assert often[6:-6].min() > 0.3
    assert often[6:-6].max() < 0.5


@given(
    lengths=st.lists(st.integers(2, 80), min_size=1, max_size=5),
    share=st.floats(0.01, 0.99),
    span=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_a_clip_is_never_all_hidden_never_all_visible_and_its_padding_never_hidden(
    lengths: list[int], share: float, span: int, seed: int
) -> None:
    masked = mask_spans(lengths, share, span, [np.random.default_rng(seed)] * len(lengths))
    assert masked.shape == (len(lengths), max(lengths))
    for row, frames in zip(masked, lengths, strict=True):
        assert 0 < row[:frames].sum() < frames
        assert not row[frames:].any()
        assert min(runs(row)) >= min(span, frames // 2)


def test_a_clip_of_one_frame_stays_visible() -> None:
    assert not mask_spans([1], 0.5, 10, [np.random.default_rng(0)]).any()


def test_the_same_generator_gives_a_clip_the_same_mask_whoever_is_beside_it() -> None:
    both = mask_spans([50, 30], 0.4, 10, [np.random.default_rng(7), np.random.default_rng(8)])
    alone = mask_spans([30], 0.4, 10, [np.random.default_rng(8)])
    assert (both[1, :30] == alone[0]).all()
