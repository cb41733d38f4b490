"""Which linears of a block a recipe means, as names. No torch: requests are checked with it."""

from typing import Protocol

from al_core.peft.specs import RecipeError, Targets

ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
KEYS_AND_VALUES = ("k_proj", "v_proj")


class Linears(Protocol):
    """What is asked of an encoder's outline."""

    @property
    def feed_forward_names(self) -> tuple[str, str]:
        """The two feed-forward linears, first and last."""
        ...

    @property
    def linear_names(self) -> tuple[str, ...]:
        """Every linear of a block, by the last part of its path."""
        ...


def linear_names(targets: Targets, block: Linears) -> tuple[str, ...]:
    """The linears that LoRA and DoRA update.

    Raises:
        RecipeError: a name that no linear of a block has.
    """
    return _named(targets, block, feed_forward=block.feed_forward_names, attention=ATTENTION)


def factor_names(targets: Targets, block: Linears) -> tuple[str, ...]:
    """The linears that IA³ learns factors for: of a keyword those that its paper has.

    Raises:
        RecipeError: a name that no linear of a block has.
    """
    return _named(targets, block, feed_forward=block.feed_forward_names[1:], attention=KEYS_AND_VALUES)


def _named(
    targets: Targets, block: Linears, *, feed_forward: tuple[str, ...], attention: tuple[str, ...]
) -> tuple[str, ...]:
    if isinstance(targets, str):
        return {"feed_forward": feed_forward, "attention": attention, "all": (*attention, *feed_forward)}[targets]
    for name in targets:
        if name not in block.linear_names:
            raise RecipeError(
                f"targets names {name!r}, which matches nothing: a block of this encoder has the linears "
                f"{', '.join(block.linear_names)}"
            )
    return tuple(dict.fromkeys(targets))
