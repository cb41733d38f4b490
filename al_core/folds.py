"""Folds of a labelled corpus: which clips are the pool, which stop training early, which are only ever tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from al_core.corpora.corpus import ClipError, Corpus, CorpusClip, CorpusError
from al_core.corpora.opened import open_clips
from al_core.features.clip import Clip
from al_core.leaks import ClipGroups, Part, check_leaks, linked, recording_of
from al_core.scheme import Scheme
from al_core.splits import Split, hold_out_speakers
from al_core.targets import Floats, LabelledClips, one_hot


@dataclass(frozen=True, slots=True)
class LabelledCorpus:
    """Every usable labelled clip of a corpus, byte-identical repetitions once, and its scheme.

    Attributes:
        labels: class names; None where only dimensions are known.
        groups: what no two parts of a fold may share: all clips that speakers, sessions and recordings tie together.
        refused: one sentence for everything that was left out.
        dimensions: (n, m) float32 on the scheme's own scales, NaN where unknown; None for a scheme without dimensions.
        texts: the words of each clip, or a code for them; empty where nobody read them.
        sessions: as the corpus names them; empty where nobody read them.
    """

    name: str
    scheme: Scheme
    clips: tuple[Clip, ...]
    labels: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    splits: tuple[Split | None, ...]
    refused: tuple[str, ...]
    dimensions: Floats | None = None
    texts: tuple[str | None, ...] = ()
    sessions: tuple[str | None, ...] = ()

    def part(self, positions: Sequence[int]) -> list[ClipGroups]:
        """These clips by the groups they belong to, as leaks are looked for."""
        unknown = (None,) * len(self.clips)
        sessions, texts = self.sessions or unknown, self.texts or unknown
        return [_groups_of(self.clips[i], sessions[i], texts[i]) for i in positions]

    def labelled(self, positions: Sequence[int]) -> LabelledClips:
        """These clips with what is known of them."""
        targets = np.zeros((len(positions), len(self.scheme)), dtype=np.float32)  # (n, c)
        for row, position in enumerate(positions):
            label = self.labels[position]
            if label is not None:
                targets[row] = one_hot([label], self.scheme)[0]
        dimensions = None if self.dimensions is None else self.dimensions[list(positions)]
        return LabelledClips(tuple(self.clips[i] for i in positions), targets, dimensions)


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions into a LabelledCorpus; no speaker or session is in two of the three."""

    pool: tuple[int, ...]
    dev: tuple[int, ...]
    test: tuple[int, ...]


def load_labelled(corpus: Corpus, max_s: float = 30.0, scheme: Scheme | None = None) -> LabelledCorpus:
    """Look at every labelled clip of a corpus once; what cannot be used is named in `refused`.

    Args:
        corpus: as its reader gave it.
        max_s: a longer clip is refused.
        scheme: what its clips are labelled by: a clip counts when it has one of the classes, or a value of one of the
            dimensions. By default the classes of the corpus in order of name, and no dimensions.

    Raises:
        CorpusError: no labelled clip; or, without a scheme, fewer than two classes.
    """
    refused = [f"{row.where}: {row.detail}" for row in corpus.refused]
    rows = []
    for row in corpus.clips:
        try:
            if _is_labelled(row, scheme):
                rows.append(row)
        except ClipError as error:
            refused.append(f"{row.external_id}: {error}")
    opened = open_clips(rows, max_s)
    kept = [row for _, row in opened.clips]
    if scheme is None:
        scheme = _scheme_of(corpus.name, kept)
    elif not kept:
        raise CorpusError(f"{corpus.name} has no usable clip that this scheme labels: name its classes or dimensions")
    return LabelledCorpus(
        name=corpus.name,
        scheme=scheme,
        clips=tuple(clip for clip, _ in opened.clips),
        labels=tuple(row.label if row.label in scheme.classes else None for row in kept),
        groups=tuple(linked([_groups_of(clip, row.session, row.text) for clip, row in opened.clips])),
        splits=tuple(row.split for row in kept),
        refused=(*refused, *opened.refused),
        dimensions=np.stack([_values(row, scheme) for row in kept]) if scheme.dimensions else None,
        texts=tuple(row.text for row in kept),
        sessions=tuple(row.session for row in kept),
    )


def _groups_of(clip: Clip, session: str | None, text: str | None) -> ClipGroups:
    return ClipGroups(clip.key, clip.speaker, session, recording_of(clip.key), text)


def _is_labelled(row: CorpusClip, scheme: Scheme | None) -> bool:
    if scheme is None:
        return row.label is not None
    return bool(np.isfinite(_values(row, scheme)).any()) or row.label in scheme.classes


def _scheme_of(name: str, rows: Sequence[CorpusClip]) -> Scheme:
    classes = sorted({row.label for row in rows if row.label is not None})
    if len(classes) < 2:
        raise CorpusError(f"{name} has {len(classes)} classes among its labelled clips: two are needed")
    return Scheme(tuple(classes))


def _values(row: CorpusClip, scheme: Scheme) -> Floats:
    """(m,) the clip's values of the scheme's dimensions, NaN where unknown; ClipError for one out of its range."""
    values = np.full(len(scheme.dimensions), np.nan, dtype=np.float32)
    for k, dimension in enumerate(scheme.dimensions):
        value = row.value(dimension.name)
        if value is not None and not dimension.low <= value <= dimension.high:
            scale = f"{dimension.low:g} to {dimension.high:g}"
            raise ClipError("malformed", f"{dimension.name} is {value:g}: the scheme's range is {scale}")
        values[k] = np.nan if value is None else value
    return values


def random_fold(corpus: LabelledCorpus, n_test: int, n_dev: int, rng: Generator) -> Fold:
    """`n_test` random test speakers and `n_dev` dev speakers; every class in each of the parts asked for."""
    return _fold(corpus, hold_out_speakers(corpus.groups, corpus.labels, n_test, rng, n_dev=n_dev))


def manifest_fold(corpus: LabelledCorpus, test: Literal["dev", "test"] = "test", scripts: bool = False) -> Fold:
    """The corpus's own splits: the pool is its train split and the clips without one.

    Tested on dev, the corpus's test clips are not touched and nothing is left to stop training early with.

    Args:
        corpus: with splits.
        test: the split to test on.
        scripts: whether a sentence, too, may be in one split only.

    Raises:
        CorpusError: the split is empty, or does not hold every class.
        LeakError: a speaker, session or recording stands in two splits; the clips are named.
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
    fold = _fold(corpus, chosen, scripts)
    held = {corpus.labels[i] for i in fold.test}
    missing = sorted({label for label in corpus.labels if label is not None} - held)
    if missing:
        raise CorpusError(f"the {test!r} split of {corpus.name} has no clip of {', '.join(missing)}")
    return fold


def _fold(corpus: LabelledCorpus, splits: Sequence[Split | None], scripts: bool = False) -> Fold:
    at = np.array(splits, dtype=object)
    pool, dev, test = (tuple(np.flatnonzero(at == part).tolist()) for part in ("train", "dev", "test"))
    parts: dict[Part, list[ClipGroups]] = {
        "train": corpus.part(pool),
        "dev": corpus.part(dev),
        "test": corpus.part(test),
    }
    check_leaks(parts, scripts)
    return Fold(pool, dev, test)
