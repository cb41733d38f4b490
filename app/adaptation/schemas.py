"""TAPT over HTTP."""

from pydantic import BaseModel, ConfigDict, Field

from tapt.recipe import TaptRecipe


class AdaptRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"recipe": {"steps": 100, "seed": 0}, "activate": True}]}
    )

    recipe: TaptRecipe = Field(default=TaptRecipe(), description="How much, and what is learned without labels.")
    activate: bool = Field(default=True, description="Use the adapted encoder for all later rounds.")
