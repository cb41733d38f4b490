"""Which clips an adapted encoder heard: kept beside it, so that no later evaluation tests on them."""

from collections.abc import Collection
from pathlib import Path

from al_core.encoders.starter import place_of
from tapt.resumable_state import TaptStateError

HEARD = "heard.txt"


def write_heard(folder: Path, keys: Collection[str]) -> None:
    """Write the keys of the clips a run trains on, one a line, sorted.

    Raises:
        TaptStateError: the folder cannot be written.
    """
    partial = folder / f".{HEARD}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(f"{key}\n" for key in sorted(keys))
        partial.replace(folder / HEARD)
    except OSError as error:
        raise TaptStateError(f"could not write {folder / HEARD}: {error}; free the disk") from error


def read_heard(source: str | Path) -> frozenset[str] | None:
    """The keys of the clips that an encoder says it heard; None where it says nothing, as one that TAPT never saw.

    Args:
        source: the encoder's folder, or a name as `open_encoder` takes it: the starter's says, a hub id does not.
    """
    path = Path(place_of(source)) / HEARD
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        return frozenset(line.rstrip("\n") for line in file)
