"""Rounds over HTTP."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.accounts.tokens import Caller
from app.annotations.rules import OverlapRule
from app.models import Arm, Role, RoundState
from app.paging import Listed
from app.rounds.why import Picked, sentence
from app.specs import RecipeField, StrategyField

_ROUND: JsonDict = {
    "id": 3,
    "project_id": 1,
    "number": 2,
    "state": "annotating",
    "strategy": {"kind": "coverage_then_margin", "coverage_per_class": 1.0, "candidates_per_pick": 4},
    "recipe": {"layer": 2, "normalise_speakers": True, "method": {"kind": "probe", "c": 0.1}},
    "seed": 0,
    "batch_size": 40,
    "control_size": 40,
    "overlap": 1,
    "adaptive": None,
    "encoder_digest": "9f2c…",
    "seconds_select": 0.02,
    "error": None,
    "warnings": [],
    "encoder_note": None,
    "created_at": "2026-01-31T09:00:00Z",
    "finished_at": None,
}


class RoundCreate(BaseModel):
    """What this round does differently from the project's defaults."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{}, {"strategy": "badge", "batch_size": 20}]}
    )

    strategy: StrategyField | None = None
    recipe: RecipeField | None = None
    batch_size: int | None = Field(default=None, ge=1, le=100_000)
    control_size: int | None = Field(default=None, ge=0, le=100_000, description="Clips of the random control arm.")
    overlap: int | None = Field(default=None, ge=1, le=100)
    adaptive: OverlapRule | None = Field(
        default=None, description="When to ask more or fewer people; the project's if out."
    )


class RoundOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ROUND]})

    project_id: int
    number: int
    state: RoundState
    strategy: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    batch_size: int
    control_size: int
    overlap: int
    adaptive: OverlapRule | None
    encoder_digest: str | None
    seconds_select: float | None
    error: str | None = Field(description="Why it failed, or why it finished without a learning-curve point.")
    warnings: list[str] = Field(description="What an operator should look at, such as a gap between groups.")
    encoder_note: str | None = Field(
        default=None, description="What TAPT's newest verdict before this round was, and whose encoder the round used."
    )
    created_at: datetime
    finished_at: datetime | None


_REASON: JsonDict = {
    "arm": "strategy",
    "clip_id": 42,
    "rank": 2,
    "score": 0.98,
    "nearest_clip_id": 12,
    "nearest_distance": 0.8,
    "cluster": 7,
    "cluster_size": 24,
    "guess": [["anger", 0.41], ["fear", 0.39]],
    "sentence": "3rd of 40 by margin: the classifier was torn between anger and fear (0.41 / 0.39); the nearest "
    "labelled clip is 12, 0.80 away; it stands for 23 clips like it.",
}
_RECEIPT: JsonDict = {
    "arm": "strategy",
    "strategy": {"kind": "margin"},
    "seed": 0,
    "checkpoint_id": 5,
    "size": 40,
    "pool_size": 2214,
    "n_labelled": 80,
    "encoder_digest": "9f2c…",
    "labels_digest": "41aa…",
    "pool_digest": "77d0…",
    "embeddings_digest": "03be…",
    "predictions_digest": "c5e1…",
    "checkpoint_labels_digest": "41aa…",
    "digest": "b81f…",
}


class PickOut(BaseModel):
    """The receipt of one clip of the acquisition batch; of older rounds rank and score alone."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_REASON]})

    arm: Arm
    clip_id: int
    rank: int
    score: float = Field(description="What the strategy chose it by; higher is better.")
    nearest_clip_id: int | None = Field(default=None, description="The arm's nearest labelled clip.")
    nearest_distance: float | None = Field(
        default=None,
        description="How far: 0 is a copy, about 1.4 what two clips that have nothing in common are apart.",
    )
    cluster: int | None = Field(default=None, description="Which of the batch's clusters it lies in.")
    cluster_size: int | None = Field(default=None, description="Clips of the pool in that cluster.")
    guess: list[tuple[str, float]] | None = Field(
        default=None,
        description="The classifier's two likeliest classes when it was picked; null for annotators and viewers.",
    )
    sentence: str | None = Field(default=None, description="The same in words; null for annotators and viewers.")

    @classmethod
    def shown_to(cls, caller: Caller, picked: Picked) -> Self:
        """The pick as this caller may see it: who may be asked for the clip again must not read a guess."""
        shown = cls.model_validate(picked.pick)
        may = caller.may(Role.OPERATOR)
        return shown.model_copy(update={"sentence": sentence(picked)} if may else {"guess": None})


class ArmReceiptOut(BaseModel):
    """What an arm's batch was drawn from. From the same `digest`, strategy, size and seed comes the same batch."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_RECEIPT]})

    arm: Arm
    strategy: dict[str, Any] = Field(description="The one that was asked: `random` for the control arm.")
    seed: int
    checkpoint_id: int | None = Field(description="The classifier that was asked; null when none was.")
    size: int = Field(description="How many clips it was to pick.")
    pool_size: int
    n_labelled: int
    encoder_digest: str
    labels_digest: str = Field(description="Of the labelled clips with their classes, in any order.")
    pool_digest: str
    embeddings_digest: str
    predictions_digest: str | None
    checkpoint_labels_digest: str | None = Field(description="Of the labels that classifier was trained on.")
    digest: str = Field(description="Of the six digests above.")


class RoundWithPicks(RoundOut):
    model_config = ConfigDict(json_schema_extra={"examples": [_ROUND | {"picks": [_REASON], "receipts": [_RECEIPT]}]})

    picks: list[PickOut] | None = Field(
        description="Null for annotators and viewers while the round is open: annotators stay blind."
    )
    receipts: list[ArmReceiptOut] | None = Field(
        description="What each arm's batch was drawn from; null with the picks, empty for older rounds."
    )


class RoundPick(PickOut):
    model_config = ConfigDict(json_schema_extra={"examples": [_REASON | {"round_id": 3, "number": 2}]})

    round_id: int
    number: int = Field(description="Of the round.")

    @classmethod
    def of(cls, caller: Caller, picked: Picked) -> Self:
        """The pick with its round."""
        shown = PickOut.shown_to(caller, picked).model_dump()
        return cls(**shown, round_id=picked.turn.id, number=picked.turn.number)


class WhyOut(BaseModel):
    """Why a clip was asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"clip_id": 42, "sentence": _REASON["sentence"], "picks": [_REASON | {"round_id": 3, "number": 2}]}
            ]
        }
    )

    clip_id: int
    sentence: str
    picks: list[RoundPick] | None = Field(
        description="Every pick of the clip, the newest round's first; null for annotators and viewers."
    )
