"""Sentence centring: what the words of a repeated sentence do to an embedding, taken out without labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from al_core.normalise.speakers import Floats

MIN_CLIPS = 8
MIN_SPEAKERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class SentenceCentring:
    """x ↦ x − μ_t, with μ_t over all clips of the sentence t, labelled or not.

    Where everybody says the same sentences, as in acted corpora, the words move an embedding more than the emotion
    does. With speaker normalisation before it this is the two-way additive model of speaker and sentence, of which the
    rest is kept. Our reading of feature normalisation by known nuisance; no paper gives it for embeddings.

    A clip whose sentence is unknown, or was said in fewer than `MIN_CLIPS` clips or by fewer than `MIN_SPEAKERS` people
    (a sentence of one person is as good as his voice), is centred on all clips. Where nobody is known, clips decide.

    Attributes:
        sentences: t of them, in the order of the rows.
        means: (t + 1, d) float32; one row a sentence, the last over all clips.
    """

    sentences: tuple[str, ...]
    means: Floats

    @classmethod
    def fit(cls, X: Floats, sentences: Sequence[str | None], speakers: Sequence[str | None]) -> Self:
        """Means of every sentence that enough people said.

        Args:
            X: (n, d) embeddings, n ≥ 1.
            sentences, speakers: (n) of each row, None where unknown.

        Raises:
            ValueError: no row, or not a sentence and a speaker (or None) for each.
        """
        if not len(X) == len(sentences) == len(speakers) or not len(X):
            raise ValueError(
                f"{len(X)} embeddings, {len(sentences)} sentences, {len(speakers)} speakers: one each a row"
            )
        rows: dict[str, list[int]] = {}
        for position, sentence in enumerate(sentences):
            if sentence is not None:
                rows.setdefault(sentence, []).append(position)
        known = [name for name in sorted(rows) if _is_shared(rows[name], speakers)]
        means = [X[rows[name]].mean(axis=0, dtype=np.float64) for name in known]
        return cls(tuple(known), np.stack([*means, X.mean(axis=0, dtype=np.float64)]).astype(np.float32))

    def transform(self, X: Floats, sentences: Sequence[str | None]) -> Floats:
        """(n, d) float32: each row from its sentence's mean."""
        stored = {name: row for row, name in enumerate(self.sentences)}
        rows = [len(self.sentences) if name is None else stored.get(name, len(self.sentences)) for name in sentences]
        centred: Floats = X - self.means[rows]
        return centred


def _is_shared(rows: Sequence[int], speakers: Sequence[str | None]) -> bool:
    people = {speakers[row] for row in rows} - {None}
    return len(rows) >= MIN_CLIPS and (not people or len(people) >= MIN_SPEAKERS)
