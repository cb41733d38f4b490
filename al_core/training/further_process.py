"""The process of a further device in a fine-tuning run; started by `parallel` and nobody else."""

import sys

from al_core.checkpoint import open_first_stage
from al_core.encoders import open_encoder
from al_core.features import FeatureStore
from al_core.peft import methods
from al_core.processes.group import joined
from al_core.processes.told import Told
from al_core.training.gradients import Gradients
from al_core.training.parallel import Errand
from al_core.training.randomness import seeded
from al_core.training.run import Run
from al_core.training.weights import changing, trainable


def main() -> None:
    """Do an errand: the gradients of this process's clips, step by step, until the run ends it."""
    told = Told()
    errand: Errand = told.next()
    gradients = _gradients(errand)
    told.ready()
    weights = trainable(gradients.network)
    with joined(errand.place) as ranks:
        ranks.share_weights(changing(gradients.network))
        while True:
            order = told.next()
            ranks.share_weights(weights)
            for weight in weights.values():
                weight.grad = None
            gradients.add(order, ranks)
            ranks.add_up(weights)


def _gradients(errand: Errand) -> Gradients:
    """The same network as in the first process, on this one's device."""
    device = errand.place.device
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


if __name__ == "__main__":
    main()
