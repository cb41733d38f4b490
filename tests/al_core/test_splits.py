import csv
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from al_core.leaks import ClipGroups, check_leaks
from al_core.splits import Split, SplitError, hold_out_speakers, speaker_disjoint


def corpus(holdings: dict[str, str], repeats: int = 3) -> tuple[list[str], list[str]]:
    """Speakers and labels of clips: {"s1": "ab"} gives s1 `repeats` clips of class a and as many of b."""
    pairs = [(speaker, label) for speaker, labels in holdings.items() for label in labels for _ in range(repeats)]
    return [speaker for speaker, _ in pairs], [label for _, label in pairs]


def classes_of(splits: list[Split], labels: list[str], split: Split) -> set[str]:
    return {label for label, found in zip(labels, splits, strict=True) if found == split}


def assert_disjoint(speakers: list[str], splits: list[Split]) -> None:
    own: dict[Split, list[ClipGroups]] = {}
    for i, (speaker, split) in enumerate(zip(speakers, splits, strict=True)):
        own.setdefault(split, []).append(ClipGroups(str(i), speaker))
    check_leaks(own)


def assert_promises(splits: list[Split], speakers: list[str], labels: list[str]) -> None:
    assert_disjoint(speakers, splits)
    assert classes_of(splits, labels, "dev") == classes_of(splits, labels, "test") == set(labels)
    assert "train" in splits


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_met_and_no_speaker_crosses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    holdings = {f"s{i}": "abcd" for i in range(20)}
    speakers, labels = corpus(holdings)
    keep = rng.random(len(speakers)) < 0.7
    speakers = [s for s, k in zip(speakers, keep, strict=True) if k]
    labels = [lab for lab, k in zip(labels, keep, strict=True) if k]
    splits = speaker_disjoint(speakers, labels, 0.15, 0.25, rng)
    assert_promises(splits, speakers, labels)
    assert splits.count("test") / len(splits) == pytest.approx(0.25, abs=0.02)
    assert splits.count("dev") / len(splits) == pytest.approx(0.15, abs=0.02)
    assert classes_of(splits, labels, "train") == set(labels)


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    speakers, labels = corpus({f"s{i}": "ab" for i in range(30)})
    first, again, other = (
        speaker_disjoint(speakers, labels, 0.2, 0.2, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_one_split_that_exists_among_many_is_found() -> None:
    """Only "whole", and "a" with "b" and any other, hold the three classes; 60 speakers hold c alone."""
    speakers, labels = corpus({"whole": "abc", "a": "a", "b": "b"} | {f"c{i}": "c" for i in range(60)})
    for seed in range(5):
        splits = speaker_disjoint(speakers, labels, 0.1, 0.1, np.random.default_rng(seed))
        assert_promises(splits, speakers, labels)
        splits = hold_out_speakers(speakers, labels, 3, np.random.default_rng(seed), n_dev=3)
        assert_promises(splits, speakers, labels)


@st.composite
def _holdings(draw: st.DrawFn) -> dict[str, str]:
    masks = draw(st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=3, max_size=6))
    return {f"s{i}": "".join(sorted(mask)) for i, mask in enumerate(masks)}


@settings(max_examples=60, deadline=None)
@given(_holdings(), st.integers(1, 3), st.integers(1, 2))
def test_a_split_is_found_exactly_when_one_exists(holdings: dict[str, str], n_test: int, n_dev: int) -> None:
    """The referee tries every assignment of speakers to splits."""
    speakers, labels = corpus(holdings, repeats=1)
    wanted = set(labels)

    def keeps_promises(assignment: tuple[str, ...]) -> bool:
        held = {part: set() for part in ("train", "dev", "test")}
        for part, classes in zip(assignment, holdings.values(), strict=True):
            held[part] |= set(classes)
        return held["dev"] == held["test"] == wanted and "train" in assignment

    possible = [a for a in product(("train", "dev", "test"), repeat=len(holdings)) if keeps_promises(a)]
    exact = [a for a in possible if (a.count("test"), a.count("dev")) == (n_test, n_dev)]
    for exists, split in (
        (possible, lambda: speaker_disjoint(speakers, labels, 0.2, 0.2, np.random.default_rng(0))),
        (exact, lambda: hold_out_speakers(speakers, labels, n_test, np.random.default_rng(0), n_dev=n_dev)),
    ):
        if exists:
            assert_promises(split(), speakers, labels)
        else:
            with pytest.raises(SplitError):
                split()


def test_a_class_too_few_speak_is_named_with_what_to_do() -> None:
    speakers, labels = corpus({"s0": "ab", "s1": "a", "s2": "a", "s3": "a"})
    with pytest.raises(SplitError, match=r"class 'b' is spoken by 1 speaker.*add speakers"):
        speaker_disjoint(speakers, labels, 0.2, 0.2, np.random.default_rng(0))


def test_a_corpus_where_speakers_and_classes_do_not_fit_names_the_rarest() -> None:
    speakers, labels = corpus({"s0": "ab", "s1": "ab", "s2": "c", "s3": "c", "s4": "c"})
    with pytest.raises(SplitError, match=r"class 'a' is the rarest, spoken by 2 of 5"):
        hold_out_speakers(speakers, labels, 1, np.random.default_rng(0), n_dev=1)


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.0, 1.0)])
def test_shares_that_leave_no_train_are_refused(dev: float, test: float) -> None:
    speakers, labels = corpus({f"s{i}": "ab" for i in range(6)})
    with pytest.raises(SplitError, match="train"):
        speaker_disjoint(speakers, labels, dev, test, np.random.default_rng(0))


def test_too_few_speakers_are_refused() -> None:
    speakers, labels = corpus({"s0": "ab", "s1": "ab"})
    with pytest.raises(SplitError, match="2 speakers cannot make 3 splits"):
        speaker_disjoint(speakers, labels, 0.3, 0.3, np.random.default_rng(0))
    with pytest.raises(SplitError, match="at least one speaker for train"):
        hold_out_speakers(speakers, labels, 1, np.random.default_rng(0), n_dev=1)


def test_a_share_of_nothing_makes_no_such_split() -> None:
    speakers, labels = corpus({f"s{i}": "ab" for i in range(6)})
    splits = speaker_disjoint(speakers, labels, 0.0, 0.3, np.random.default_rng(0))
    assert set(splits) == {"train", "test"}


def test_clips_without_labels_follow_their_speaker() -> None:
    speakers, labels = corpus({f"s{i}": "ab" for i in range(8)})
    with_more = speakers + [f"s{i}" for i in range(8)]
    splits = speaker_disjoint(with_more, labels + [None] * 8, 0.2, 0.2, np.random.default_rng(0))
    assert_disjoint(with_more, splits)
    assert classes_of(splits[: len(labels)], labels, "test") == {"a", "b"}


def test_a_pile_without_any_label_is_split_by_speaker() -> None:
    speakers = [f"s{i % 10}" for i in range(100)]
    splits = speaker_disjoint(speakers, [None] * 100, 0.2, 0.2, np.random.default_rng(0))
    assert_disjoint(speakers, splits)
    assert (splits.count("test"), splits.count("dev")) == (20, 20)


def test_clips_without_a_speaker_are_refused_unless_each_is_its_own() -> None:
    labels = ["a", "b"] * 50
    with pytest.raises(SplitError, match="100 clips have no speaker"):
        speaker_disjoint([None] * 100, labels, 0.2, 0.2, np.random.default_rng(0))
    splits = speaker_disjoint([None] * 100, labels, 0.2, 0.2, np.random.default_rng(0), unknown="own")
    assert (splits.count("test"), splits.count("dev")) == (20, 20)


def test_a_speaker_called_like_a_position_is_not_the_clip_there() -> None:
    splits = speaker_disjoint(
        ["1", None, "1", None, None], ["a"] * 5, 0.2, 0.2, np.random.default_rng(3), unknown="own"
    )
    assert splits[0] == splits[2]


def test_exactly_the_asked_number_of_speakers_is_held_out() -> None:
    speakers, labels = corpus({f"s{i}": "abc" for i in range(12)})
    splits = hold_out_speakers(speakers, labels, 3, np.random.default_rng(0), n_dev=2)
    held = {split: {s for s, found in zip(speakers, splits, strict=True) if found == split} for split in set(splits)}
    assert {split: len(found) for split, found in held.items()} == {"train": 7, "dev": 2, "test": 3}


def test_hundred_thousand_clips_of_unknown_speakers_are_split_in_a_moment() -> None:
    labels = [str(i % 8) for i in range(100_000)]
    splits = speaker_disjoint([None] * len(labels), labels, 0.1, 0.2, np.random.default_rng(0), unknown="own")
    assert abs(splits.count("test") - 20_000) <= 1


@pytest.mark.parametrize("name", ["emodb-2s", "ravdess", "urdu"])
def test_real_corpora_split_with_every_class_on_every_side(shared: Path, name: str) -> None:
    with (shared / "data" / name / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    speakers, labels = [row["speaker"] for row in rows], [row["label"] for row in rows]
    for seed in range(3):
        splits = speaker_disjoint(speakers, labels, 0.15, 0.2, np.random.default_rng(seed))
        assert_promises(splits, speakers, labels)
        assert classes_of(splits, labels, "train") == set(labels)
        assert splits.count("test") / len(splits) == pytest.approx(0.2, abs=0.06)
        assert splits.count("dev") / len(splits) == pytest.approx(0.15, abs=0.06)
