"""`python -m tapt`: adapt an encoder to a corpus's own audio, without labels, and without the service."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tapt.recipe import MaskedUnits, TaptRecipe, TaptRecipeError

_EPILOG = """examples:
  python -m tapt --manifest corpus/manifest.csv --encoder openai/whisper-tiny.en --out adapted
  python -m tapt --manifest corpus/manifest.csv --encoder adapted-before --out adapted --steps 500 --resume
"""


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; an error of it ends the program with code 2."""
    recipe, objective = TaptRecipe(), MaskedUnits()
    parser = argparse.ArgumentParser(
        "python -m tapt", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True, help="manifest CSV, or the folder of a known corpus")
    parser.add_argument("--encoder", required=True, help="hub id or folder of the encoder to start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapted encoder")
    parser.add_argument("--split", choices=("train", "all"), default="train", help="clips to hear (default: train)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that OUT holds")
    for name, default, help_text in (
        ("steps", recipe.steps, "optimiser steps"),
        ("seconds-per-step", recipe.seconds_per_step, "audio in one minibatch"),
        ("learning-rate", recipe.learning_rate, "peak learning rate of the encoder"),
        ("train-last", recipe.train_last, "transformer blocks that learn, from the last; 0 is all"),
        ("units", objective.units, "k-means units"),
        ("layer", objective.layer, "hidden state that is clustered; -1 is the middle"),
        ("checkpoint-every", recipe.checkpoint_every, "steps between resumable states"),
        ("seed", recipe.seed, "of everything random"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{help_text} (default: {default})")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the adapted encoder is there, 1 after a refusal, which is printed."""
    chosen = read_arguments(arguments)
    # Imported late, so that --help does not wait for torch.
    from al_core.audio import AudioError
    from al_core.corpora.corpus import CorpusError
    from al_core.encoders import EncoderError
    from tapt.adapt import adapt_corpus
    from tapt.errors import TaptError

    try:
        recipe = TaptRecipe(
            objective=MaskedUnits(units=chosen.units, layer=chosen.layer),
            steps=chosen.steps,
            seconds_per_step=chosen.seconds_per_step,
            learning_rate=chosen.learning_rate,
            train_last=chosen.train_last,
            checkpoint_every=chosen.checkpoint_every,
            seed=chosen.seed,
        )
        adapt_corpus(recipe, chosen.manifest, chosen.encoder, chosen.out, chosen.split, resume=chosen.resume)
    except (AudioError, CorpusError, EncoderError, TaptError, TaptRecipeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; add --resume to go on in {chosen.out}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
