"""What cannot work is refused when TAPT is asked for, by name, from the encoder's configuration alone. No torch."""

from typing import assert_never

from al_core.encoders.outline import Outline, read_outline
from app.errors import InvalidError
from tapt.recipe import (
    Contrastive,
    Everything,
    FeedForwardLora,
    LastBlocks,
    LocalAttributes,
    MaskedUnits,
    Objective,
    Scope,
    TaptRecipe,
)


class TaptRefusedError(InvalidError):
    """A TAPT recipe that cannot work on this project's encoder; the sentence names the field."""

    name = "tapt_refused"


def check_tapt(recipe: TaptRecipe, encoder: str) -> None:
    """Refuse a recipe that does not fit the encoder; where this machine does not have it, the job finds out.

    Args:
        recipe: valid by itself.
        encoder: folder or hub id the operator named.

    Raises:
        TaptRefusedError: a hidden state or more blocks than the encoder has, a scope that learns nothing the objective
            reads, or an encoder that has local attributes already.
    """
    outline = read_outline(encoder)
    if outline is None:
        return
    if outline.has_local_attributes:
        raise TaptRefusedError(
            f"the project's encoder {encoder} has local attributes already: make a project with the plain encoder that "
            "it was made from"
        )
    _check_objective(recipe.objective, outline)
    _check_learns(recipe, _learning_blocks(recipe.scope, outline), outline)


def _check_objective(objective: Objective, outline: Outline) -> None:
    match objective:
        case MaskedUnits(layers=layers, predicted_at=predicted_at):
            for field, states in (("layers", layers), ("predicted_at", predicted_at)):
                _check_states(f"recipe.objective.{field}", states, outline)
        case LocalAttributes(layer=layer):
            _check_states("recipe.objective.layer", (layer,), outline)
        case Contrastive():
            pass  # every family has a front end whose features can be quantised
        case _:
            assert_never(objective)


def _check_states(field: str, states: tuple[int, ...], outline: Outline) -> None:
    highest = max(states)
    if highest > outline.n_layers:
        raise TaptRefusedError(
            f"{field} names hidden state {highest}: this encoder has 0 to {outline.n_layers}, lower it or use -1"
        )


def _learning_blocks(scope: Scope, outline: Outline) -> int:
    """How many of the last blocks learn."""
    match scope:
        case LastBlocks(k=blocks):
            field, wanted = "recipe.scope.k", blocks
        case FeedForwardLora(last=last):
            field, wanted = "recipe.scope.last", outline.n_layers if last is None else last
        case Everything():
            return outline.n_layers
        case _:
            assert_never(scope)
    if wanted > outline.n_layers:
        raise TaptRefusedError(
            f"{field} is {wanted}: this encoder has {outline.n_layers} blocks, use {outline.n_layers} or fewer"
        )
    return wanted


def _check_learns(recipe: TaptRecipe, learning: int, outline: Outline) -> None:
    """Refuse a scope none of whose blocks lies below what masked units are predicted from."""
    if not isinstance(recipe.objective, MaskedUnits):
        return
    frozen = outline.n_layers - learning
    highest = max(outline.n_layers if state == -1 else state for state in recipe.objective.predicted_at)
    if highest <= frozen:
        raise TaptRefusedError(
            f"recipe.objective.predicted_at reads nothing above hidden state {highest}, and only blocks above {frozen} "
            'learn: raise it, or use the scope "everything"'
        )
