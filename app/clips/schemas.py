"""Clips over HTTP."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field

from app.accounts.tokens import Caller
from app.models import Clip, Role
from app.paging import Listed

SplitName = Literal["train", "dev", "test"]

_CLIP: dict[str, Any] = {
    "id": 17,
    "project_id": 1,
    "asset_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "start_s": 0.0,
    "end_s": 2.41,
    "duration_s": 2.41,
    "external_id": "03a01Fa",
    "speaker": "03",
    "session": None,
    "gender": "m",
    "text": None,
    "split": "train",
    "reference_label": None,
    "reference_dimensions": None,
    "attributes": {"language": "de"},
    "playback_type": "audio/wav",
    "created_at": "2026-01-31T09:00:00Z",
}


class ClipOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_CLIP]})

    project_id: int
    asset_sha256: str = Field(description="SHA-256 of the uploaded bytes.")
    start_s: float
    end_s: float
    duration_s: float
    external_id: str | None = Field(description="Its name in the corpus. Operators see it, annotators do not.")
    speaker: str | None
    session: str | None
    gender: str | None
    text: str | None
    split: SplitName
    reference_label: str | None = Field(description="The answer known at import. Operators see it, annotators do not.")
    reference_dimensions: dict[str, float] | None = Field(
        description="The values known at import, on the scheme's scales. Operators see them, annotators do not."
    )
    attributes: dict[str, str] = Field(
        description="Further columns of the manifest. Operators see them, annotators do not."
    )
    playback_type: str = Field(description="Media type of `GET /clips/{id}/audio`.")
    created_at: datetime

    @classmethod
    def shown_to(cls, caller: Caller, clip: Clip) -> Self:
        """The clip as this caller may see it: who annotates must not read the answer."""
        shown = cls.model_validate(clip)
        # File names of most corpora spell the emotion out, and so may any column of a manifest.
        hidden: dict[str, Any] = {
            "reference_label": None,
            "external_id": None,
            "reference_dimensions": None,
            "attributes": {},
        }
        return shown if caller.may(Role.OPERATOR) else shown.model_copy(update=hidden)


class ClipDetail(ClipOut):
    model_config = ConfigDict(json_schema_extra={"examples": [_CLIP | {"peaks": [0.01, 0.4, 0.2]}]})

    peaks: list[float] = Field(description="Largest amplitude of each part of the clip, 0–1, for drawing the waveform.")
