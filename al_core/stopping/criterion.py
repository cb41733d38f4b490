"""What one stopping criterion says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Opinion = Literal["stop", "go on", "cannot say"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion's verdict.

    Attributes:
        name: the field's term for it.
        verdict: "cannot say" where what it reads is missing; `sentence` then says what.
        sentence: why, with the numbers.
        figures: those numbers by name.
    """

    name: str
    verdict: Opinion
    sentence: str
    figures: Mapping[str, float] = field(default_factory=dict)
