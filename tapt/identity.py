"""What makes two TAPT runs the same run."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from al_core.resumable_state import differences
from tapt.errors import TaptError
from tapt.recipe import TaptRecipe, tapt_recipe_to_dict


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
        found = differences(stored.get("recipe", {}), self.recipe)
        if stored.get("encoder_digest") != self.encoder_digest:
            found.append("the starting encoder is another one")
        if stored.get("clips_digest") != self.clips_digest:
            found.append("the clips are others")
        if found:
            raise TaptResumeError(
                f"{where} holds another run: {'; '.join(found)}. Choose another folder, or delete this one"
            )


def identify(recipe: TaptRecipe, encoder_digest: str, keys: Collection[str]) -> RunIdentity:
    """The identity of a run over clips with these keys."""
    digest = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    return RunIdentity(tapt_recipe_to_dict(recipe), encoder_digest, digest)
