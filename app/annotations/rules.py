"""When a clip is asked of more or fewer people than its round's overlap: until it is sure, or as it is routed."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter
from pydantic.config import JsonDict

from al_core.agreement.specs import Routing

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

ADAPTIVE: JsonDict = {"at_least": 2, "at_most": 5, "sure": 0.7}
_ROUTED: JsonDict = {"rule": "routed", "sure": 0.9, "limit": 5, "price": 0.002, "ruling_price": 0.1, "lookahead": 3}
_USUAL = Routing()


class Adaptive(BaseModel):
    """Ask for one more answer until a clip's posterior is `sure`, or `at_most` answers are there."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [ADAPTIVE]})

    at_least: int = Field(default=2, ge=1, le=100, description="Answers before a clip may be called sure.")
    at_most: int = Field(default=5, ge=1, le=100, description="Answers after which nobody else is asked.")
    sure: Share = Field(
        default=0.7,
        description="Share of the leading class, with a prior worth one answer spread over all classes, from which on "
        "nobody else is asked: (votes + 1/c) / (answers + 1).",
    )


class Routed(BaseModel):
    """Ask by who does not know: what the model is unsure of and what the answers say of all listeners decide.

    One more person is asked where that pays; otherwise the label stands, an adjudicator gets the clip, or it is
    accepted as ambiguous and keeps its distribution. `al_core/agreement/routing.py` has the formulas.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_ROUTED]})

    rule: Literal["routed"]
    sure: Share = Field(default=_USUAL.sure, description="Confidence at which a label stands and nobody else is asked.")
    limit: int = Field(default=_USUAL.limit, ge=1, le=100, description="Most answers a clip gets.")
    price: Share = Field(
        default=_USUAL.price,
        description="Least gain in confidence, times what the model does not know, that pays for one more answer.",
    )
    ruling_price: Share = Field(
        default=_USUAL.ruling_price,
        description="Least chance of mending the label, times what the model does not know, that pays for a ruling.",
    )
    lookahead: int = Field(default=_USUAL.lookahead, ge=1, le=5, description="Answers the gain is looked ahead for.")

    def routing(self, limit: int | None = None) -> Routing:
        """The rule as the science takes it, with another limit where one is given."""
        return Routing(self.sure, limit or self.limit, self.price, self.ruling_price, self.lookahead)


def _kind_of(value: Any) -> str:
    said = value.get("rule") if isinstance(value, Mapping) else getattr(value, "rule", None)
    return "sure" if said is None else "routed"


OverlapRule = Annotated[
    Annotated[Adaptive, Tag("sure")] | Annotated[Routed, Tag("routed")],
    Discriminator(_kind_of),
    BeforeValidator(
        lambda value: {"rule": value} if isinstance(value, str) else value,
        json_schema_input_type=Adaptive | Routed | Literal["routed"],
    ),
]
_RULE: TypeAdapter[Adaptive | Routed] = TypeAdapter(OverlapRule)


def read_rule(stored: Mapping[str, Any]) -> Adaptive | Routed:
    """The rule of a stored round."""
    return _RULE.validate_python(stored)
