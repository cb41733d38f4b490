"""Folds of a labelled corpus: which clips are the pool, which stop training early, which are only ever tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from al_core.corpora.corpus import Corpus, CorpusError
from al_core.corpora.opened import open_clips
from al_core.features.clip import Clip
from al_core.scheme import Scheme
from al_core.splits import Split, check_disjoint, hold_out_speakers


@dataclass(frozen=True, slots=True)
class LabelledCorpus:
    """Every usable labelled clip of a corpus, byte-identical repetitions once, and its scheme in order of name.

    `groups` are what no two parts of a fold may share: the session where the corpus names one (its speakers talk to
    each other), else the speaker.
    """

    name: str
    scheme: Scheme
    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    groups: tuple[str | None, ...]
    splits: tuple[Split | None, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions into a LabelledCorpus; no speaker or session is in two of the three."""

    pool: tuple[int, ...]
    dev: tuple[int, ...]
    test: tuple[int, ...]


def load_labelled(corpus: Corpus, max_s: float = 30.0) -> LabelledCorpus:
    """Look at every labelled clip of a corpus once; what cannot be used is named in `refused`.

    Raises:
        CorpusError: no labelled clip, or fewer than two classes.
    """
    opened = open_clips((row for row in corpus.clips if row.label is not None), max_s)
    labels = tuple(row.label or "" for _, row in opened.clips)
    if len(set(labels)) < 2:
        raise CorpusError(f"{corpus.name} has {len(set(labels))} classes among its labelled clips: two are needed")
    return LabelledCorpus(
        name=corpus.name,
        scheme=Scheme(tuple(sorted(set(labels)))),
        clips=tuple(clip for clip, _ in opened.clips),
        labels=labels,
        groups=tuple(row.session or row.speaker for _, row in opened.clips),
        splits=tuple(row.split for _, row in opened.clips),
        refused=(*(f"{row.where}: {row.detail}" for row in corpus.refused), *opened.refused),
    )


def random_fold(corpus: LabelledCorpus, n_test: int, n_dev: int, rng: Generator) -> Fold:
    """`n_test` random test speakers and `n_dev` dev speakers; every class in each of the parts asked for."""
    return _fold(hold_out_speakers(corpus.groups, corpus.labels, n_test, rng, n_dev=n_dev))


def manifest_fold(corpus: LabelledCorpus, test: Literal["dev", "test"] = "test") -> Fold:
    """The corpus's own splits: the pool is its train split and the clips without one.

    Tested on dev, the corpus's test clips are not touched and nothing is left to stop training early with.

    Raises:
        CorpusError: the split is empty, or does not hold every class.
        LeakError: a speaker or session stands in two splits; the clips are named.
    """
    if test not in corpus.splits:
        raise CorpusError(f"{corpus.name} has no {test!r} split: name another, or ask for random test speakers")
    parts: dict[Split | None, Split | None] = {
        None: "train",
        "train": "train",
        "dev": "dev",
        "test": None,
        test: "test",
    }
    chosen = [parts[split] for split in corpus.splits]
    check_disjoint(corpus.groups, chosen, [clip.key for clip in corpus.clips])
    fold = _fold(chosen)
    missing = set(corpus.labels) - {corpus.labels[i] for i in fold.test}
    if missing:
        raise CorpusError(f"the {test!r} split of {corpus.name} has no clip of {', '.join(sorted(missing))}")
    return fold


def _fold(splits: Sequence[Split | None]) -> Fold:
    at = np.array(splits, dtype=object)
    pool, dev, test = (tuple(np.flatnonzero(at == part).tolist()) for part in ("train", "dev", "test"))
    return Fold(pool, dev, test)
