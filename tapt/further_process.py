"""The process of a further device in a TAPT run; started by `parallel` and nobody else."""

import sys

from al_core.encoders import open_encoder
from al_core.processes.group import joined
from al_core.processes.told import Told
from tapt.gradients import find_gradients, follow
from tapt.parallel import TAKE_OVER, Errand
from tapt.resumable_state import load_state
from tapt.run_state import RunState, start_run


def main() -> None:
    """Do an errand: the gradients of this process's share, step by step, until the run ends it."""
    told = Told()
    errand: Errand = told.next()
    run = _run(errand)
    told.ready()
    with joined(errand.place) as ranks:
        while True:
            order = told.next()
            if order == TAKE_OVER:
                _take_over(errand, run)
                continue
            find_gradients(errand.recipe, run, order, ranks)
            follow(run, order, ranks)


def _run(errand: Errand) -> RunState:
    """The run of the first process, on this one's device."""
    encoder = open_encoder(errand.source, str(errand.place.device))
    if encoder.digest != errand.identity.encoder_digest:
        sys.exit(f"{errand.source} is another encoder now than when the run began: start the run again")
    return start_run(errand.recipe, encoder.eval(), errand.clips, errand.folder)


def _take_over(errand: Errand, run: RunState) -> None:
    """All that decides a step; the optimiser's moments stay with the first process."""
    packed = load_state(errand.folder, errand.identity)
    if packed is None:
        sys.exit(f"{errand.folder} has lost the state of the run: start the run again")
    run.student.restore(packed["student"])
    run.objective.restore(packed["objective"], run.student)
    run.step = packed["step"]


if __name__ == "__main__":
    main()
