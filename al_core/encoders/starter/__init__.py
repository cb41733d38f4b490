"""The encoder that comes with the package: small, pretrained from scratch by this code, for a first look offline."""

from pathlib import Path

STARTER = "afterloop/starter"
"""Its name, wherever an encoder is named by hub id or folder; `README.md` beside it says what it heard."""

_FOLDER = Path(__file__).parent


def place_of(source: str | Path) -> str:
    """Where an encoder's files are: a hub id or folder as it is, the starter's folder by its name."""
    return str(_FOLDER) if str(source) == STARTER else str(source)
