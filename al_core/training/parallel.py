"""Several devices for one fine-tuning run: each process computes the gradients of its own clips of every minibatch.

The first process owns the optimiser, early stopping, state and result. In every step it sends its weights; each process
runs its own clips of a minibatch; all outputs are gathered, so that every process computes the loss of the *whole*
minibatch, and only the gradients of its own clips, which are added up. So the loss may be anything (CCC is no mean over
clips), the minibatch is the recipe's, and the weights are those of one process up to the order of float32 sums; only
dropout is drawn differently.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from al_core.encoders import SpeechEncoder
from al_core.peft.network import Network
from al_core.processes.count import n_processes as n_processes_of
from al_core.processes.errors import ProcessError
from al_core.processes.group import Place
from al_core.processes.team import Team, assembled
from al_core.recipe import Recipe
from al_core.scheme import Scheme
from al_core.targets import LabelledClips
from al_core.training.errors import TrainError
from al_core.training.run import Run
from al_core.training.weights import changing

FURTHER = "al_core.training.further_process"


@dataclass(frozen=True, slots=True)
class Errand:
    """What a further process is told first. Everything in it travels as a pickle, each clip's `load` with it.

    Attributes:
        source, digest: of the encoder, which the process opens itself.
        store: folder of the feature store; the first process has computed what the run reads.
        place: in the group.
    """

    recipe: Recipe
    scheme: Scheme
    source: str
    digest: str
    store: Path
    train: LabelledClips
    place: Place


def n_processes(encoder: SpeechEncoder, recipe: Recipe, wanted: int | None) -> int:
    """How many processes a run gets: one a GPU when its encoder lies on the first, otherwise one.

    There are never more processes than clips in a minibatch.

    Args:
        encoder: decides by its device.
        recipe: of the run.
        wanted: by the caller; None decides here.

    Raises:
        TrainError: fewer than 1, or more than there are GPUs.
    """
    try:
        return n_processes_of(encoder, recipe.minibatch, wanted)
    except ProcessError as error:
        raise TrainError(str(error)) from None


@contextmanager
def assemble(run: Run, network: Network) -> Iterator[Team]:
    """The team of a run, whose networks are equal when it begins; nothing is started for a run of one process.

    Raises:
        TrainError: a further process could not begin, or ended early.
    """
    try:
        with assembled(FURTHER, partial(_errand, run), run.processes, run.device.type == "cpu") as team:
            team.ranks.share_weights(changing(network))
            yield team
    except ProcessError as error:
        raise TrainError(str(error)) from error


def _errand(run: Run, place: Place) -> Errand:
    return Errand(
        recipe=run.recipe,
        scheme=run.scheme,
        source=run.encoder.source,
        digest=run.encoder.digest,
        store=run.store.root,
        train=run.train,
        place=place,
    )
