"""Several devices for one TAPT run: each process computes the loss and the gradients of its share of every minibatch.

The first process owns the optimiser, the alarms, the states and the result. The others take student and objective from
the state it has just written, so that targets are found once and travel over the disk, and follow it step by step.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.processes.count import n_processes as n_processes_of
from al_core.processes.errors import ProcessError
from al_core.processes.group import Place
from al_core.processes.team import Team, assembled
from tapt.errors import TaptError
from tapt.identity import RunIdentity
from tapt.recipe import TaptRecipe

FURTHER = "tapt.further_process"
TAKE_OVER: Final = "take over the newest state"


class TaptProcessError(TaptError):
    """A further process that cannot be started or has ended; the last state stays."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a further process is told first. Everything in it travels as a pickle, each clip's `load` with it.

    Attributes:
        source: of the starting encoder, which the process opens itself; its digest is in `identity`.
        clips: of the run, in the order of the first process.
        folder: of the run.
        place: in the group.
    """

    recipe: TaptRecipe
    identity: RunIdentity
    source: str
    clips: Sequence[Clip]
    folder: Path
    place: Place


def n_processes(encoder: SpeechEncoder, clips: int, wanted: int | None) -> int:
    """How many processes a run gets: one a GPU when its encoder lies on the first, otherwise one; no more than clips.

    Raises:
        TaptProcessError: fewer than 1, or more than there are GPUs.
    """
    try:
        return n_processes_of(encoder, clips, wanted)
    except ProcessError as error:
        raise TaptProcessError(str(error)) from None


@contextmanager
def assemble(
    recipe: TaptRecipe,
    encoder: SpeechEncoder,
    clips: Sequence[Clip],
    folder: Path,
    identity: RunIdentity,
    processes: int,
) -> Iterator[Team]:
    """The team of a run; nothing is started for a run of one process.

    Raises:
        TaptProcessError: a further process could not begin, or ended early.
    """

    def errand(place: Place) -> Errand:
        return Errand(recipe, identity, encoder.source, clips, folder, place)

    on_cpu = next(encoder.parameters()).device.type == "cpu"
    try:
        with assembled(FURTHER, errand, processes, on_cpu) as team:
            yield team
    except ProcessError as error:
        raise TaptProcessError(str(error)) from error
