"""How a project's queue asks: what may be answered, what a skip does, how sure is sure, which probes are hidden."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from al_core.agreement.specs import Estimator, Majority
from app.annotations.rules import ADAPTIVE, OverlapRule, Share

ProbeRate = Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)]

EstimatorName = Annotated[str, Field(pattern="^(majority|dawid_skene|mace)$")]
LabelPolicy = Annotated[
    Annotated[Estimator, Field(discriminator="kind")],
    BeforeValidator(
        lambda value: {"kind": value} if isinstance(value, str) else value,
        json_schema_input_type=EstimatorName | Estimator,
    ),
]

_SKIPS: JsonDict = {"bad_audio": "out", "not_speech": "out", "several_speakers": "others", "unsure": "others"}
_ANNOTATING: JsonDict = {
    "several_classes": False,
    "unclear": True,
    "skips": _SKIPS,
    "skips_to_adjudication": 3,
    "adaptive": ADAPTIVE,
    "gold_rate": 0.05,
    "repeat_rate": 0.05,
    "repeat_gap": 20,
    "qualification": 0.75,
    "preannotations": False,
    "labels": {"kind": "majority", "dispute_below": 0.0},
    "disjoint_scripts": False,
    "examples": {"anger": [17, 42]},
}


class SkipReason(StrEnum):
    """Why a clip was not answered."""

    BAD_AUDIO = "bad_audio"
    NOT_SPEECH = "not_speech"
    SEVERAL_SPEAKERS = "several_speakers"
    UNSURE = "unsure"


class SkipPolicy(StrEnum):
    """What a skip does: somebody else is asked, the same annotator again at the end of the queue, or nobody."""

    OTHERS = "others"
    LATER = "later"
    OUT = "out"


ADJUDICATION = "adjudication"  # what a skip does when nobody is left to ask


class SkipPolicies(BaseModel):
    """What each reason does."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_SKIPS]})

    bad_audio: SkipPolicy = SkipPolicy.OUT
    not_speech: SkipPolicy = SkipPolicy.OUT
    several_speakers: SkipPolicy = SkipPolicy.OTHERS
    unsure: SkipPolicy = SkipPolicy.OTHERS

    def of(self, reason: SkipReason) -> SkipPolicy:
        """The policy of one reason."""
        policy: SkipPolicy = getattr(self, reason.value)
        return policy


class Annotating(BaseModel):
    """The settings of a project's queue. What is left out has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_ANNOTATING]})

    several_classes: bool = Field(default=False, description="Whether an answer may name several classes.")
    unclear: bool = Field(default=False, description="Whether an answer may be that no class can be told.")
    skips: SkipPolicies = SkipPolicies()
    skips_to_adjudication: int = Field(
        default=3,
        ge=1,
        le=100,
        description="People who may skip a clip before an adjudicator gets it; sooner when nobody is left to ask.",
    )
    adaptive: OverlapRule | None = Field(
        default=None,
        description="Null: every clip gets `overlap` answers. Otherwise until it is sure, or `routed`: by who does not "
        "know, the model or the people.",
    )
    gold_rate: ProbeRate = Field(default=0.0, description="Share of leases that are clips with a known answer.")
    repeat_rate: ProbeRate = Field(default=0.0, description="Share of leases that the annotator has answered before.")
    repeat_gap: int = Field(default=20, ge=1, le=10_000, description="Answers between a clip and its repeat.")
    qualification: Share | None = Field(
        default=None, description="Share of the qualification set to get right before real clips; null: no test."
    )
    preannotations: bool = Field(
        default=False, description="Show the promoted checkpoint's guess. Every annotation records what was shown."
    )
    labels: LabelPolicy = Field(
        default=Majority(),
        description="How answers become labels: majority, dawid_skene or mace, by name or with `kind`.",
    )
    disjoint_scripts: bool = Field(
        default=False,
        description="Whether a sentence (`text`) may stand in one split only: a round is refused where it does not. "
        "Leave it off for acted corpora, whose speakers all say the same sentences.",
    )
    examples: dict[str, list[int]] = Field(
        default={}, max_length=1000, description="Clips to listen to before annotating: class → clip ids."
    )


def read_annotating(stored: Mapping[str, Any]) -> Annotating:
    """The settings of a stored project."""
    return _NOTHING_SAID if not stored else Annotating.model_validate(stored)


@lru_cache(maxsize=256)
def parse_annotating(stored: str) -> Annotating:
    """The same from the column's text, remembered: the hot path reads it with every request."""
    return Annotating.model_validate_json(stored)


_NOTHING_SAID = Annotating()
