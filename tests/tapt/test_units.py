import numpy as np
import pytest

from tapt.units import TaptUnitsError, fit_units

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(6, 8)).astype(np.float32) * 10
CLIPS = [(CENTRES[RNG.integers(6, size=200)] + RNG.normal(size=(200, 8))).astype(np.float32) for _ in range(5)]


def test_units_find_clusters_that_are_there() -> None:
    units = fit_units(CLIPS, 6, seed=0)
    assert len(set(units.assign(CENTRES).tolist())) == 6


def test_a_frame_belongs_to_its_nearest_centre() -> None:
    units = fit_units(CLIPS, 20, seed=0)
    z = (CLIPS[0] - units.mean) / units.scale
    literal = [int(np.argmin([np.linalg.norm(frame - centre) for centre in units.centres])) for frame in z]
    assert units.assign(CLIPS[0]).tolist() == literal


def test_one_loud_dimension_does_not_decide_the_clusters() -> None:
    loud = [np.concatenate([clip, RNG.normal(size=(200, 1)).astype(np.float32) * 1e4], axis=1) for clip in CLIPS]
    quiet, drowned = fit_units(CLIPS, 6, seed=0).assign(CLIPS[0]), fit_units(loud, 6, seed=0).assign(loud[0])
    pairs = set(zip(quiet.tolist(), drowned.tolist(), strict=True))
    assert len(pairs) <= 8


def test_the_same_seed_gives_the_same_units() -> None:
    first, second = (fit_units(CLIPS, 10, seed=4) for _ in range(2))
    assert (first.centres == second.centres).all()


def test_clusters_found_anew_keep_their_numbers() -> None:
    before = fit_units(CLIPS, 6, seed=0)
    again = fit_units([*CLIPS[1:], CLIPS[0] + 0.01], 6, seed=1, start=before)
    assert again.assign(CENTRES).tolist() == before.assign(CENTRES).tolist()


def test_fewer_frames_than_units_are_refused_with_both_numbers() -> None:
    with pytest.raises(TaptUnitsError, match="30 frames for 50 units"):
        fit_units([CLIPS[0][:30]], 50, seed=0)


def test_no_clip_at_all_is_refused() -> None:
    with pytest.raises(TaptUnitsError, match="0 frames"):
        fit_units([], 5, seed=0)


def test_frames_that_are_not_finite_are_refused() -> None:
    with pytest.raises(TaptUnitsError, match="NaN"):
        fit_units([np.full((100, 4), np.nan, dtype=np.float32)], 5, seed=0)
