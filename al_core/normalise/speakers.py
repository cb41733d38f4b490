"""Speaker normalisation: z-scores within a speaker, from unlabelled embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MIN_CLIPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerNormaliser:
    """x ↦ (x − μ_s) / σ_s, with μ_s and σ_s over all clips of the speaker s, labelled or not.

    Removes what makes one voice differ from another and keeps what varies within a voice, emotion among it
    (Busso, Mariooryad, Metallinou, Narayanan, "Iterative feature normalization scheme for automatic emotion
    detection from speech", IEEE Trans. Affective Computing 4(4), 2013; here in its plain form, over all of a
    speaker's clips).

    Which statistics a clip gets:

    1. its speaker's stored ones, when `fit` saw at least `min_clips` clips of that speaker;
    2. otherwise those of the speaker's clips in the same `transform`, when there are at least `min_clips`;
    3. otherwise, and for clips without a speaker, the statistics over all clips of `fit`.

    Attributes:
        speakers: s names, in the order of the rows.
        means, stds: (s + 1, d) float32; one row a speaker, the last over all clips.
        min_clips: fewer clips than this say too little about a voice.
    """

    speakers: tuple[str, ...]
    means: Floats
    stds: Floats
    min_clips: int = MIN_CLIPS

    @classmethod
    def fit(cls, X: Floats, speakers: Sequence[str | None], min_clips: int = MIN_CLIPS) -> Self:
        """Statistics of every speaker with enough clips.

        Args:
            X: (n, d) embeddings, n ≥ 1.
            speakers: (n) speaker of each row, None where unknown.
            min_clips: as above.

        Raises:
            ValueError: no row, or as many speakers as there are not rows.
        """
        _check(X, speakers)
        rows = _rows_by_speaker(speakers, min_clips)
        groups = [X[positions] for positions in rows.values()] + [X]
        means = np.stack([group.mean(axis=0, dtype=np.float64) for group in groups])
        stds = np.stack([_spread(group) for group in groups])
        return cls(tuple(rows), means.astype(np.float32), stds.astype(np.float32), min_clips)

    def transform(self, X: Floats, speakers: Sequence[str | None]) -> Floats:
        """(n, d) float32: each row in its speaker's standard deviations from its speaker's mean.

        Raises:
            ValueError: no row, or as many speakers as there are not rows.
        """
        _check(X, speakers)
        stored = {name: row for row, name in enumerate(self.speakers)}
        rows = [len(self.speakers) if name is None else stored.get(name, len(self.speakers)) for name in speakers]
        normalised: Floats = (X - self.means[rows]) / self.stds[rows]
        for name, positions in _rows_by_speaker(speakers, self.min_clips).items():
            if name not in stored:
                own = X[positions]
                normalised[positions] = (own - own.mean(axis=0, dtype=np.float64)) / _spread(own)
        return normalised.astype(np.float32, copy=False)


def _check(X: Floats, speakers: Sequence[str | None]) -> None:
    if len(X) == 0 or len(X) != len(speakers):
        raise ValueError(f"{len(X)} embeddings and {len(speakers)} speakers: give one speaker (or None) a row")


def _rows_by_speaker(speakers: Sequence[str | None], min_clips: int) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for position, name in enumerate(speakers):
        if name is not None:
            rows.setdefault(name, []).append(position)
    return {name: rows[name] for name in sorted(rows) if len(rows[name]) >= min_clips}


def _spread(group: Floats) -> NDArray[np.float64]:
    """Standard deviation a column; 1 where the column is constant, which leaves it at zero after centring."""
    spread = group.std(axis=0, dtype=np.float64)
    return np.where(spread > 1e-8, spread, 1.0)
