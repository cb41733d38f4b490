"""Label Studio over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

ACTIONS = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")  # what Label Studio tells us of

_LINK: JsonDict = {
    "id": 1,
    "project_id": 1,
    "url": "https://studio.example.org",
    "their_project": 7,
    "our_url": "https://afterloop.example.org",
    "follow": True,
    "created_at": "2026-01-31T09:05:00Z",
}


class LinkCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://studio.example.org",
                    "token": "eyJhbGciOi…",
                    "our_url": "https://afterloop.example.org",
                    "follow": True,
                }
            ]
        },
    )

    url: str = Field(min_length=8, max_length=2000, description="Where Label Studio is.")
    token: str = Field(min_length=8, max_length=2000, description="A personal access token, or a legacy token.")
    their_project: int | None = Field(
        default=None, ge=1, le=2_147_483_647, description="A project there that asks our scheme; null makes one."
    )
    our_url: str = Field(min_length=8, max_length=2000, description="Where Label Studio and its annotators reach us.")
    follow: bool = Field(default=True, description="Push rounds when they are ready, take them back when they close.")


class LinkOut(BaseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_LINK]})

    id: int
    project_id: int
    url: str
    their_project: int
    our_url: str
    follow: bool
    created_at: datetime


class Told(BaseModel):
    """What Label Studio POSTs. Other fields, and other actions, are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "ANNOTATION_CREATED",
                    "task": {"id": 31, "data": {"afterloop": {"clip_id": 42}}},
                    "annotation": {"id": 5, "completed_by": 1, "result": []},
                }
            ]
        }
    )

    action: str = Field(max_length=100)
    task: dict[str, Any] = {}
    annotation: dict[str, Any] = {}


class Taken(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"created": 1, "pulled": False}]})

    created: int = 0
    revised: int = 0
    unchanged: int = 0
    conflict: int = 0
    refused: int = 0
    pulled: bool = Field(default=False, description="Whether a pull was queued instead, to learn who answered.")
