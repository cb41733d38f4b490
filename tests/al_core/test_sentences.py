"""Sentence centring, alone and after speaker normalisation."""

import numpy as np
import pytest

from al_core.features import Clip
from al_core.normalise import Normaliser, SentenceCentring

RNG = np.random.default_rng(0)
SPEAKERS = [f"speaker-{i % 4}" for i in range(40)]
SENTENCES = [f"sentence-{i // 20}" for i in range(40)]
WORDS = np.repeat([[5.0, 0, 0], [0, -5.0, 0]], 20, axis=0)
VOICES = 3 * RNG.standard_normal((4, 3))[np.arange(40) % 4]
EMOTION = RNG.standard_normal((40, 3))
X = (EMOTION + WORDS).astype(np.float32)


def test_what_is_left_has_no_sentence_in_it():
    centred = SentenceCentring.fit(X, SENTENCES, SPEAKERS).transform(X, SENTENCES)
    for rows in (slice(0, 20), slice(20, 40)):
        np.testing.assert_allclose(centred[rows].mean(axis=0), 0, atol=1e-5)
    assert centred.dtype == np.float32


@pytest.mark.parametrize(
    ("sentences", "speakers"),
    [
        pytest.param([None] * 40, SPEAKERS, id="unknown"),
        pytest.param([str(i // 7) for i in range(40)], SPEAKERS, id="in too few clips"),
        pytest.param(SENTENCES, [f"{i // 20}-{i % 2}" for i in range(40)], id="by too few people"),
    ],
)
def test_a_sentence_that_not_enough_people_said_is_centred_on_all_clips(sentences, speakers):
    centring = SentenceCentring.fit(X, sentences, speakers)
    assert centring.sentences == ()
    np.testing.assert_allclose(centring.transform(X, sentences), X - X.mean(axis=0), atol=1e-5)


def test_where_nobody_is_known_the_number_of_clips_decides():
    assert len(SentenceCentring.fit(X, SENTENCES, [None] * 40).sentences) == 2


def test_a_new_clip_of_a_known_sentence_is_centred_by_what_was_fitted():
    centring = SentenceCentring.fit(X, SENTENCES, SPEAKERS)
    new = centring.transform(X[:1] + 1, ["sentence-1"])
    np.testing.assert_allclose(new[0], X[0] + 1 - X[20:].mean(axis=0), atol=1e-5)


def test_after_the_speakers_voice_and_words_are_gone_and_emotion_is_left():
    clips = [Clip(str(i), 1.0, SPEAKERS[i], lambda: np.zeros(1, np.float32), SENTENCES[i]) for i in range(40)]
    both = X + VOICES.astype(np.float32)
    left = Normaliser.fit(both, clips, speakers=True, sentences=True).transform(both, clips)
    alike = [np.corrcoef(left[:, k], EMOTION[:, k])[0, 1] for k in range(3)]
    before = [np.corrcoef(both[:, k], EMOTION[:, k])[0, 1] for k in range(3)]
    assert min(alike) > 0.85 > max(before)
    np.testing.assert_array_equal(Normaliser.fit(both, clips, False, False).transform(both, clips), both)


def test_rows_and_names_must_match():
    with pytest.raises(ValueError, match="39 sentences"):
        SentenceCentring.fit(X, SENTENCES[1:], SPEAKERS)
