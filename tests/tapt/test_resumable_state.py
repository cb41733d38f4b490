import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tapt.identity import RunIdentity, TaptResumeError, identify
from tapt.recipe import MaskedUnits, TaptRecipe
from tapt.resumable_state import TaptStateError, drop_states, load_state, newest_state, save_state

IDENTITY = identify(TaptRecipe(), "e" * 64, ["a", "b"])


@pytest.fixture
def disk_of_64_kb() -> Iterator[None]:
    """No file of this process may grow past 64 kB: what a full disk looks like to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    save_state(tmp_path, IDENTITY, 50, {"weights": torch.arange(4.0), "losses": [1.0, 0.5]})
    found = load_state(tmp_path, IDENTITY)
    assert found is not None
    assert torch.equal(found["weights"], torch.arange(4.0))
    assert found["losses"] == [1.0, 0.5]


def test_an_empty_folder_has_no_state(tmp_path: Path) -> None:
    assert load_state(tmp_path / "nowhere", IDENTITY) is None


def test_only_the_newest_state_is_kept(tmp_path: Path) -> None:
    for step in (0, 50, 100):
        save_state(tmp_path, IDENTITY, step, {"step": step})
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["step-00000100"]
    assert load_state(tmp_path, IDENTITY) == {"step": 100}


def test_a_state_without_its_manifest_does_not_exist(tmp_path: Path) -> None:
    save_state(tmp_path, IDENTITY, 50, {"step": 50})
    torn = tmp_path / "states" / "step-00000100"
    torn.mkdir()
    (torn / "state.pt").write_bytes(b"half of it")
    assert newest_state(tmp_path) == tmp_path / "states" / "step-00000050"


def test_a_full_disk_is_a_named_error_and_the_last_state_stays(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    save_state(tmp_path, IDENTITY, 50, {"step": 50})
    request.getfixturevalue("disk_of_64_kb")
    with pytest.raises(TaptStateError, match="step 100"):
        save_state(tmp_path, IDENTITY, 100, {"weights": torch.zeros(1_000_000)})
    assert load_state(tmp_path, IDENTITY) == {"step": 50}
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["step-00000050"]


def test_a_torn_file_is_a_named_error(tmp_path: Path) -> None:
    save_state(tmp_path, IDENTITY, 50, {"weights": torch.zeros(1000)})
    place = newest_state(tmp_path)
    assert place is not None
    (place / "state.pt").write_bytes((place / "state.pt").read_bytes()[:500])
    with pytest.raises(TaptStateError, match="delete it"):
        load_state(tmp_path, IDENTITY)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (identify(TaptRecipe(steps=7), "e" * 64, ["a", "b"]), f"steps was {TaptRecipe().steps} and is 7"),
        (
            identify(TaptRecipe(objective=MaskedUnits(units=9)), "e" * 64, ["a", "b"]),
            r"objective\.units was 50 and is 9",
        ),
        (identify(TaptRecipe(), "f" * 64, ["a", "b"]), "encoder is another"),
        (identify(TaptRecipe(), "e" * 64, ["a", "c"]), "clips are others"),
    ],
)
def test_another_run_is_refused_and_the_difference_named(tmp_path: Path, other: RunIdentity, said: str) -> None:
    save_state(tmp_path, IDENTITY, 50, {"step": 50})
    with pytest.raises(TaptResumeError, match=said):
        load_state(tmp_path, other)


def test_the_order_of_clips_makes_no_other_run() -> None:
    assert identify(TaptRecipe(), "e", ["b", "a"]) == identify(TaptRecipe(), "e", ["a", "b"])


def test_dropped_states_are_gone(tmp_path: Path) -> None:
    save_state(tmp_path, IDENTITY, 50, {"step": 50})
    drop_states(tmp_path)
    assert load_state(tmp_path, IDENTITY) is None
