"""The clips of a corpus by split, as `pretrain` takes them."""

from dataclasses import dataclass
from typing import Literal

from al_core.corpora.corpus import Corpus
from al_core.corpora.opened import open_clips
from al_core.features import Clip
from tapt.errors import TaptError

SplitChoice = Literal["train", "all"]


class TaptSplitError(TaptError):
    """The corpus does not say which clips may be heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a run may hear, what it must not, and what it cannot.

    Attributes:
        clips: to adapt to.
        held_out: keys of dev and test clips.
        refused: sentences, one an unusable clip.
    """

    clips: tuple[Clip, ...]
    held_out: frozenset[str]
    refused: tuple[str, ...]


def corpus_clips(corpus: Corpus, split: SplitChoice) -> Heard:
    """The clips of a split, each decoded once to refuse by name what cannot be used.

    Args:
        corpus: as a reader gives it.
        split: "train" takes the train split and holds dev and test out; "all" takes every clip of a corpus without
            them.

    Raises:
        TaptSplitError: "train" of a corpus without splits, or "all" of one with dev or test clips.
    """
    if split == "train" and not any(row.split == "train" for row in corpus.clips):
        raise TaptSplitError(
            f"{corpus.name} has no train split: add a split column, so that no test clip is heard, "
            "or choose --split all"
        )
    if split == "all" and (held := {row.split for row in corpus.clips} & {"dev", "test"}):
        raise TaptSplitError(
            f"{corpus.name} has {' and '.join(sorted(str(name) for name in held))} clips, which must not be heard: "
            "use --split train"
        )
    opened = open_clips(corpus.clips)
    clips = tuple(clip for clip, row in opened.clips if split == "all" or row.split == "train")
    held_out = frozenset(clip.key for clip, row in opened.clips if split == "train" and row.split != "train")
    return Heard(clips, held_out, opened.refused)
