"""The process of a further device: `python -m al_core.training.helper`, started by `parallel` and nobody else."""

import os
import pickle
import queue as queues
import sys
import threading
from typing import Any, BinaryIO

import torch

from al_core.checkpoint import open_first_stage
from al_core.encoders import open_encoder
from al_core.features import FeatureStore
from al_core.peft import methods
from al_core.training.gradients import Gradients
from al_core.training.parallel import READY, Errand, joined
from al_core.training.randomness import seeded
from al_core.training.run import Run
from al_core.training.weights import changing, trainable


def main() -> None:
    """Do an errand; the end of standard input is the end of the process, wherever it is."""
    received: queues.SimpleQueue[Any] = queues.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, received), daemon=True).start()
    ready = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints
    errand: Errand = received.get()
    gradients = _gradients(errand)
    ready.write(READY)
    ready.flush()
    weights = trainable(gradients.network)
    with joined(errand.rank, errand.world, errand.port, errand.on_cpu) as ranks:
        ranks.share_weights(changing(gradients.network))
        while True:
            order = received.get()
            ranks.share_weights(weights)
            for weight in weights.values():
                weight.grad = None
            gradients.add(order, ranks)
            ranks.add_up(weights)


def _gradients(errand: Errand) -> Gradients:
    """The same network as in the first process, on this one's device."""
    device = torch.device("cpu") if errand.on_cpu else torch.device("cuda", errand.rank)
    encoder = open_encoder(errand.source, str(device))
    if encoder.digest != errand.digest:
        sys.exit(f"{errand.source} is another encoder now than when the run began: start the run again")
    store = FeatureStore(errand.store)
    recipe = errand.recipe
    first = None if recipe.start is None else open_first_stage(recipe.start, encoder, store)
    run = Run(recipe, errand.scheme, encoder, store, errand.train, dev=None, first=first)
    with seeded(device, recipe.seed, 0):
        classifier = methods.untrained(recipe, run.scheme, encoder, store, first)
    return Gradients.of(run, classifier.network, classifier.frames)


def _read(stdin: BinaryIO, received: "queues.SimpleQueue[Any]") -> None:
    try:
        while True:
            received.put(pickle.load(stdin))
    except EOFError:
        os._exit(0)  # the run has ended, or its process died: there is nobody left to help


if __name__ == "__main__":
    main()
