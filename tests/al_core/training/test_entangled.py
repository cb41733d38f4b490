"""Speakers who keep to few classes are told from speakers who show all of them, by a handful of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from al_core.corpora.read import read_corpus
from al_core.features import Clip
from al_core.folds import load_labelled
from al_core.targets import LabelledClips
from al_core.training.entangled import MOST, entangled


def labelled(speakers: Sequence[str | None], classes: Sequence[int | None]) -> LabelledClips:
    clips = tuple(
        Clip(f"clip-{i:03}", 1.0, speaker, lambda: np.zeros(1, np.float32)) for i, speaker in enumerate(speakers)
    )
    targets = np.array([np.zeros(3) if k is None else np.eye(3)[k] for k in classes], dtype=np.float32)
    return LabelledClips(clips, targets, dimensions=np.ones((len(clips), 1), dtype=np.float32))


def test_speakers_of_one_class_each_are_entangled():
    alpha = entangled(labelled([f"s{i // 3}" for i in range(18)], [i // 3 % 3 for i in range(18)]))
    assert alpha is not None and alpha.value == pytest.approx(1.0) and alpha.low > MOST


def test_speakers_of_every_class_are_not():
    assert entangled(labelled([f"s{i // 3}" for i in range(18)], [i % 3 for i in range(18)])) is None


def test_where_chance_may_have_done_it_nothing_is_said():
    assert entangled(labelled(["a", "a", "b", "b", "c"], [0, 0, 1, 2, 2])) is None


def test_clips_without_a_speaker_or_a_class_do_not_count():
    speakers = [*[f"s{i // 3}" for i in range(18)], *[None] * 6, *["s0"] * 6]
    classes = [*[i // 3 % 3 for i in range(18)], *[0, 1, 2] * 2, *[None] * 6]
    alpha = entangled(labelled(speakers, classes))
    assert alpha is not None and alpha.value == pytest.approx(1.0)


@pytest.mark.parametrize("nobody", [labelled([None] * 4, [0, 1, 0, 1]), labelled(["a"] * 4, [0, 0, 0, 0])])
def test_where_there_is_nothing_to_compare_nothing_is_said(nobody: LabelledClips):
    assert entangled(nobody) is None


@pytest.mark.parametrize(("corpus", "is_entangled"), [("urdu", True), ("emodb-2s", False), ("ravdess", False)])
def test_forty_labels_of_real_speakers_tell(corpus: str, is_entangled: bool, shared: Path):
    real = load_labelled(read_corpus(shared / "data" / corpus / "manifest.csv"))
    for seed in range(20):
        chosen = np.random.default_rng(seed).choice(len(real.clips), 40, replace=False)
        assert (entangled(real.labelled(chosen.tolist())) is not None) is is_entangled
