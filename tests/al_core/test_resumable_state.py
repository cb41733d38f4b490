"""States of a run on disk: whole or not at all, the newest only, and of no other run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from al_core.resumable_state import StateError, differences, drop_states, load_state, newest_state, save_state


def anybody(stored: Mapping[str, Any]) -> None:
    pass


def test_a_state_comes_back_as_it_was_and_its_identity_is_shown_first(tmp_path: Path) -> None:
    save_state(tmp_path, {"recipe": {"steps": 3}}, 50, {"weights": torch.arange(4.0), "losses": [1.0]})
    seen: list[Mapping[str, Any]] = []
    found = load_state(tmp_path, seen.append)
    assert seen == [{"recipe": {"steps": 3}, "step": 50}]
    assert found is not None
    assert torch.equal(found["weights"], torch.arange(4.0))
    assert found["losses"] == [1.0]


def test_what_the_check_raises_comes_through_and_nothing_is_read(tmp_path: Path) -> None:
    save_state(tmp_path, {}, 1, {})
    place = newest_state(tmp_path)
    assert place is not None
    (place / "state.pt").write_bytes(b"torn")

    def refuse(stored: Mapping[str, Any]) -> None:
        raise LookupError("another run")

    with pytest.raises(LookupError, match="another run"):
        load_state(tmp_path, refuse)
    with pytest.raises(StateError, match=r"cannot be read: .*; delete it to start again"):
        load_state(tmp_path, anybody)


def test_only_the_newest_is_kept_and_what_a_kill_left_half_written_goes_with_the_next(tmp_path: Path) -> None:
    save_state(tmp_path, {}, 5, {"step": 5})
    torn = tmp_path / "states" / ".partial-abc"
    torn.mkdir()
    (torn / "state.pt").write_bytes(b"half of it")
    assert load_state(tmp_path, anybody) == {"step": 5}
    save_state(tmp_path, {}, 10, {"step": 10})
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["step-00000010"]
    drop_states(tmp_path)
    assert load_state(tmp_path, anybody) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StateError, match=r"could not write the state of step 7 to .*file"):
        save_state(tmp_path / "file", {}, 7, {})


def test_differences_are_named_by_their_path() -> None:
    then = {"steps": 50, "method": {"kind": "lora", "rank": 4}, "gone": 1}
    now = {"steps": 50, "method": {"kind": "lora", "rank": 8}, "new": 2}
    assert differences(then, now) == ["gone was 1 and is None", "method.rank was 4 and is 8", "new was None and is 2"]
