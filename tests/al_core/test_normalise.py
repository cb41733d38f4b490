"""Speaker normalisation: stored, borrowed and global statistics."""

import numpy as np
import pytest

from al_core.normalise import SpeakerNormaliser


def embeddings(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, size=(n, 4)).astype(np.float32)


def test_each_known_speaker_has_mean_0_and_deviation_1():
    X = embeddings(20)
    speakers = ["ada"] * 12 + ["bo"] * 8
    Z = SpeakerNormaliser.fit(X, speakers).transform(X, speakers)
    for rows in (slice(0, 12), slice(12, 20)):
        np.testing.assert_allclose(Z[rows].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(Z[rows].std(axis=0), 1, atol=1e-5)
    assert Z.dtype == np.float32


def test_a_known_speaker_s_clip_does_not_depend_on_the_other_clips_of_the_call():
    X = embeddings(20)
    speakers = ["ada"] * 10 + ["bo"] * 10
    normaliser = SpeakerNormaliser.fit(X, speakers)
    np.testing.assert_array_equal(normaliser.transform(X[:1], ["ada"])[0], normaliser.transform(X, speakers)[0])


def test_an_unseen_speaker_with_enough_clips_is_normalised_by_those_clips():
    normaliser = SpeakerNormaliser.fit(embeddings(10), ["ada"] * 10)
    new = embeddings(5, seed=1) + 100
    np.testing.assert_allclose(normaliser.transform(new, ["cy"] * 5).mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("speaker", ["cy", None])
def test_an_unseen_speaker_with_few_clips_and_no_speaker_get_the_global_statistics(speaker):
    X = embeddings(12)
    normaliser = SpeakerNormaliser.fit(X, ["ada"] * 6 + ["bo"] * 6)
    new = embeddings(2, seed=1)
    expected = (new - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(normaliser.transform(new, [speaker] * 2), expected, rtol=1e-4, atol=1e-5)


def test_a_speaker_with_too_few_clips_in_fit_is_not_stored():
    X = embeddings(10)
    assert SpeakerNormaliser.fit(X, ["ada"] * 6 + ["bo"] * 4).speakers == ("ada",)


def test_a_constant_column_becomes_0_and_nothing_is_lost_to_nan():
    X = embeddings(6)
    X[:, 2] = 7.0
    Z = SpeakerNormaliser.fit(X, ["ada"] * 6).transform(X, ["ada"] * 6)
    assert np.isfinite(Z).all()
    np.testing.assert_array_equal(Z[:, 2], 0)


def test_speakers_and_rows_must_be_as_many():
    with pytest.raises(ValueError, match="3 embeddings and 2 speakers"):
        SpeakerNormaliser.fit(embeddings(3), ["ada", "bo"])
