"""From positions of clips to gradients: what every process of a TAPT run does in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass

from al_core.processes.ranks import Ranks
from tapt.outcome import Outcome
from tapt.randomness import Stream, drawn_from
from tapt.recipe import TaptRecipe
from tapt.run_state import RunState
from tapt.share import Share


@dataclass(frozen=True, slots=True)
class StepOrder:
    """One optimiser step, as every process is told it.

    Attributes:
        step: from 1.
        minibatch: positions of its clips.
    """

    step: int
    minibatch: Sequence[int]


def find_gradients(recipe: TaptRecipe, run: RunState, order: StepOrder, ranks: Ranks) -> Outcome:
    """Leave a minibatch's gradients in what learns, in the first process those of all, and tell what was found.

    Masks, distractors and a quantiser's noise are a clip's own, so the gradients are those of one process up to the
    order of float32 sums; dropout alone is drawn differently.
    """
    share = Share.of(order.minibatch, recipe.seed, order.step, ranks)
    run.optimiser.zero_grad(set_to_none=True)
    with drawn_from(recipe.seed, Stream.DROPOUT, order.step, run.student.device, ranks.rank):
        outcome = run.objective.loss(run.student, share, order.step)
        outcome.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if not run.objective.moves_encoder(order.step):
        for parameter in run.student.parameters().values():
            parameter.grad = None
    ranks.add_up(run.learning(order.step))
    return outcome.added_up(ranks)


def follow(run: RunState, order: StepOrder, ranks: Ranks) -> None:
    """After the first process's optimiser has moved: the same weights everywhere, and what moves by itself."""
    ranks.share_weights(run.learning(order.step))
    run.objective.after_step(order.step)
    run.step = order.step
