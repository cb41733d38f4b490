"""Lists in pages: ordered by id, each page says where the next one starts."""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field


class Listed(BaseModel):
    """A row of a list, which is ordered by its id."""

    id: int


Row = TypeVar("Row", bound=Listed)

Limit = Annotated[int, Query(ge=1, le=1000, description="Rows a page.")]
After = Annotated[
    int, Query(ge=0, le=2_147_483_647, description="Start after this id: `next_after` of the page before.")
]


class Page(BaseModel, Generic[Row]):
    """Rows in order of id, and where the next page starts."""

    items: list[Row]
    next_after: int | None = Field(default=None, description="Pass as `after` for the next page; null on the last one.")

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int) -> "Page[Row]":
        """A page of `rows`, which were asked for one more than `limit` to learn whether there is a next page."""
        items = list(rows[:limit])
        return cls(items=items, next_after=items[-1].id if len(rows) > limit else None)
