"""Accounts over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.models import Role
from app.paging import Listed

_ACCOUNT: dict[str, Any] = {
    "id": 3,
    "name": "alice",
    "role": "annotator",
    "created_at": "2026-01-31T09:00:00Z",
    "revoked_at": None,
}


class AccountCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={"examples": [{"name": "alice", "role": "annotator"}]},
    )

    name: str = Field(min_length=1, max_length=200, description="A person or a program; unique.")
    role: Role = Field(default=Role.ANNOTATOR, description="viewer < annotator < operator < admin.")


class AccountOut(Listed):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ACCOUNT]})

    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class AccountCreated(AccountOut):
    model_config = ConfigDict(
        json_schema_extra={"examples": [_ACCOUNT | {"token": "Zk3v…", "id": 3}]},
    )

    token: str = Field(description="Shown this once; only its hash is kept.")


class CallerOut(BaseModel):
    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"id": 3, "name": "alice", "role": "annotator"}]}
    )

    id: int
    name: str
    role: Role
