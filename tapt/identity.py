"""What makes two TAPT runs the same run."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tapt.errors import TaptError
from tapt.recipe import TaptRecipe


class TaptResumeError(TaptError):
    """A folder holds another run; the sentence says what differs."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Recipe, starting encoder and audio: with these equal, two runs end with the same weights.

    Attributes:
        recipe: the TAPT recipe as plain values.
        encoder_digest: of the starting encoder.
        clips_digest: of the clips' keys, whatever their order.
    """

    recipe: dict[str, Any]
    encoder_digest: str
    clips_digest: str

    def check_same(self, stored: Mapping[str, Any], where: str) -> None:
        """Refuse to go on with what another run left.

        Raises:
            TaptResumeError: names every difference.
        """
        differences = [
            f"{name} was {then!r} and is {now!r}"
            for name, (then, now) in _differences(stored.get("recipe", {}), self.recipe).items()
        ]
        if stored.get("encoder_digest") != self.encoder_digest:
            differences.append("the starting encoder is another one")
        if stored.get("clips_digest") != self.clips_digest:
            differences.append("the clips are others")
        if differences:
            raise TaptResumeError(
                f"{where} holds another run: {'; '.join(differences)}. Choose another folder, or delete this one"
            )


def identify(recipe: TaptRecipe, encoder_digest: str, keys: Collection[str]) -> RunIdentity:
    """The identity of a run over clips with these keys."""
    digest = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    return RunIdentity(asdict(recipe), encoder_digest, digest)


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted names of values that differ between two nested mappings."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found |= _differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found[prefix + name] = (before, after)
    return found
