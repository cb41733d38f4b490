"""Leaks between parts: what is refused, what may be shared, how it is named, and which clips belong together."""

from dataclasses import replace

import pytest

from al_core.leaks import ClipGroups, LeakError, check_leaks, linked, recording_of, tell_unknown


def rows(first: int, n: int, **groups: str) -> list[ClipGroups]:
    return [ClipGroups(str(i), **groups) for i in range(first, first + n)]


@pytest.mark.parametrize("kind", ["speaker", "session", "recording"])
@pytest.mark.parametrize(
    "parts", [("train", "dev"), ("train", "test"), ("dev", "test"), ("tapt", "dev"), ("tapt", "test")]
)
def test_two_parts_must_not_share_a_group(kind, parts) -> None:
    one, other = parts
    with pytest.raises(LeakError) as leak:
        check_leaks({one: rows(0, 3, **{kind: "x"}), other: [*rows(3, 1, **{kind: "x"}), *rows(4, 1, **{kind: "y"})]})
    assert (leak.value.kind, leak.value.groups, leak.value.parts) == (kind, ("x",), parts)
    assert leak.value.clips == ("0", "1", "2", "3")
    assert str(leak.value).startswith(f"1 {kind}(s) in more than one of {one}, {other}: x; 4 clips, {one}: 0, 1, 2;")


def test_tapt_hears_training_audio_unless_a_third_part_has_it_too() -> None:
    train = rows(0, 2, speaker="a", recording="r")
    check_leaks({"train": train, "tapt": train, "test": rows(9, 1, speaker="b")})
    with pytest.raises(LeakError) as leak:
        check_leaks({"train": train, "tapt": train, "test": rows(9, 1, speaker="a")})
    assert leak.value.parts == ("train", "tapt", "test")


def test_a_sentence_leaks_only_where_scripts_are_disjoint() -> None:
    parts = {"train": rows(0, 1, speaker="a", script="dogs"), "test": rows(1, 1, speaker="b", script="dogs")}
    check_leaks(parts)
    with pytest.raises(LeakError, match=r"1 script\(s\) in more than one of train, test: dogs"):
        check_leaks(parts, scripts=True)


def test_what_is_unknown_is_not_compared_but_told() -> None:
    parts = {"train": rows(0, 2), "test": rows(2, 1), "dev": rows(3, 1, speaker="a")}
    check_leaks(parts, scripts=True)
    assert (tell_unknown(parts) or "").startswith("clips without a speaker: 2 of train, 1 of test.")
    assert tell_unknown({"train": rows(0, 1, speaker="a"), "test": []}) is None


def test_the_sentence_names_ten_clips_and_the_error_all() -> None:
    with pytest.raises(LeakError) as leak:
        check_leaks({"train": rows(0, 30, speaker="a"), "test": rows(30, 2, speaker="a")})
    assert "train: 0, 1, 2, 3, 4, …; test: 30, 31." in str(leak.value)
    assert len(leak.value.clips) == 32


def test_speakers_sessions_and_recordings_tie_clips_together_through_others() -> None:
    a = ClipGroups("0", "a", "s1", "r1")
    clips = [a, ClipGroups("1", "a", "s2", "r2"), ClipGroups("2", "b", "s2", "r3"), ClipGroups("3", None, None, "r3")]
    clips += [ClipGroups("4", "c", None, "r4"), ClipGroups("5", None, None, "r5")]
    names = linked(clips)
    assert len(set(names[:4])) == 1 and names[0] in ("s1", "s2")
    assert names[4:] == ["c", None]
    assert linked([replace(a, session=None)]) == ["a"]


def test_the_recording_of_a_window_is_its_asset() -> None:
    assert recording_of("abc:0-500") == recording_of("abc:500-900") == "abc"
    assert recording_of("plain") == "plain"
