"""Normalisation of pooled embeddings by who speaks and what is said, without labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from al_core.features.clip import Clip
from al_core.normalise.sentences import SentenceCentring
from al_core.normalise.speakers import Floats, SpeakerNormaliser

__all__ = ["Normaliser", "SentenceCentring", "SpeakerNormaliser"]


@dataclass(frozen=True, slots=True, eq=False)
class Normaliser:
    """Speakers first, then sentences, each if it was asked for.

    Attributes:
        by_speaker, by_sentence: None leaves that step out.
    """

    by_speaker: SpeakerNormaliser | None
    by_sentence: SentenceCentring | None

    @classmethod
    def fit(cls, X: Floats, clips: Sequence[Clip], speakers: bool, sentences: bool) -> Self:
        """Statistics of (n, d) embeddings of these clips, for the steps that are wanted.

        Raises:
            ValueError: no row, or not a clip for each.
        """
        names = [clip.speaker for clip in clips]
        by_speaker = SpeakerNormaliser.fit(X, names) if speakers else None
        seen = X if by_speaker is None else by_speaker.transform(X, names)
        return cls(by_speaker, SentenceCentring.fit(seen, [clip.text for clip in clips], names) if sentences else None)

    def transform(self, X: Floats, clips: Sequence[Clip]) -> Floats:
        """(n, d) float32, row by row; speakers unseen by `fit` are normalised over their clips here."""
        if self.by_speaker is not None:
            X = self.by_speaker.transform(X, [clip.speaker for clip in clips])
        if self.by_sentence is not None:
            X = self.by_sentence.transform(X, [clip.text for clip in clips])
        return X
