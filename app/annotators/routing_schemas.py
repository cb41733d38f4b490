"""Decisions of routing over HTTP: who does not know, the model or the people, clip by clip."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.annotations.rules import Routed
from app.paging import Listed, Page

_COUNTS: JsonDict = {"new": 12, "ask": 3, "adjudicate": 1, "ambiguous": 2, "settled": 22}
_ROUTE: JsonDict = {
    "id": 42,
    "clip_id": 42,
    "decision": "ask",
    "reason": "one more answer is worth 0.031 of confidence, and its price is 0.002",
    "label": "anger",
    "n_answers": 2,
    "uncertainty": 0.61,
    "confidence": 0.74,
    "gain": 0.0508,
    "mending": 0.09,
    "ambiguity": 0.17,
    "checkpoint_id": 8,
    "waiting": True,
    "holds": True,
    "decided_at": "2026-01-31T09:05:00Z",
}


class RouteCounts(BaseModel):
    """Clips of the round by what is to be done with them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COUNTS]})

    new: int = Field(default=0, description="Nobody has answered yet.")
    ask: int = Field(default=0, description="One more person is asked.")
    adjudicate: int = Field(default=0, description="An adjudicator decides.")
    ambiguous: int = Field(default=0, description="Accepted as ambiguous: the clip keeps its distribution.")
    settled: int = Field(default=0, description="The label stands.")


class RouteOut(Listed):
    """The newest decision about a clip, and the figures behind it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROUTE]})

    clip_id: int
    decision: Literal["ask", "adjudicate", "ambiguous", "settled"]
    reason: str
    label: str | None = Field(description="What the answers amount to; null where no class leads.")
    n_answers: int
    uncertainty: float = Field(description="What the model does not know, 0–1: entropy of its guess over log c.")
    confidence: float = Field(description="Of the label, or of the likeliest class.")
    gain: float = Field(description="What one more answer adds to the chance that the label is right.")
    mending: float = Field(description="Chance that most listeners hear a class, and not the label.")
    ambiguity: float = Field(description="Chance that no class is heard by most listeners.")
    checkpoint_id: int | None = Field(description="Whose guess it was; null: base rates of the classes were used.")
    waiting: bool = Field(description="Whether somebody is being asked about the clip.")
    holds: bool = Field(description="False when answers were revised or taken back since: they decide anew.")
    decided_at: datetime


class RoutingOut(Page[RouteOut]):
    """What the newest round that routes decided, in order of clip."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "round": 2,
                    "rule": {"rule": "routed", "limit": 5},
                    "counts": _COUNTS,
                    "items": [_ROUTE],
                    "next_after": None,
                }
            ]
        }
    )

    round: int | None = Field(description="Its number; null while no round has routed.")
    rule: Routed | None
    counts: RouteCounts
