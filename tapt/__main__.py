"""`python -m tapt`: adapt an encoder to a corpus's own audio, without labels or the service, and see if it helped."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tapt.recipe import TaptRecipe, TaptRecipeError
from tapt.spelled import OBJECTIVES, SCOPES, recipe_of

_EPILOG = """examples:
  python -m tapt run --manifest corpus/manifest.csv --encoder openai/whisper-tiny.en --out adapted
  python -m tapt run --manifest corpus/manifest.csv --encoder encoder --out adapted --objective contrastive \\
    --set objective.mask_share=0.07 --set scope.kind=lora --set steps=500
  python -m tapt resume adapted
  python -m tapt evaluate --before openai/whisper-tiny.en --after adapted --manifest corpus/manifest.csv --layers all
"""


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; an error of it ends the program with code 2."""
    parser = argparse.ArgumentParser(
        "python -m tapt", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|resume|evaluate")
    _add_run(verbs.add_parser("run", help="adapt an encoder to the audio of a corpus"))
    resume = verbs.add_parser("resume", help="go on with a run that was broken off")
    resume.add_argument("out", type=Path, help="the run's folder")
    _add_processes(resume)
    _add_evaluate(verbs.add_parser("evaluate", help="a probe before and after, on labelled speech"))
    return parser.parse_args(arguments)


def _add_run(parser: argparse.ArgumentParser) -> None:
    recipe = TaptRecipe()
    parser.add_argument("--manifest", type=Path, required=True, help="manifest CSV, or the folder of a known corpus")
    parser.add_argument("--encoder", required=True, help="hub id or folder of the encoder to start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapted encoder")
    parser.add_argument("--split", choices=("train", "all"), default="train", help="clips to hear (default: train)")
    parser.add_argument("--objective", choices=OBJECTIVES, help=f"default: {recipe.objective.kind}")
    parser.add_argument("--scope", choices=SCOPES, help=f"what of the encoder learns (default: {recipe.scope.kind})")
    parser.add_argument("--steps", type=int, help=f"optimiser steps (default: {recipe.steps})")
    parser.add_argument("--seed", type=int, help=f"of everything random (default: {recipe.seed})")
    _add_processes(parser)
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="FIELD=VALUE",
        help="any field of the recipe, such as learning_rate=2e-5 or objective.units=100; may be repeated",
    )  # fmt: skip


def _add_processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processes", type=int, help="that share each minibatch (default: one, or one a GPU)")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "afterloop"
    parser.add_argument("--before", required=True, help="hub id or folder of the encoder TAPT started from")
    parser.add_argument("--after", required=True, help="folder of the adapted encoder")
    parser.add_argument("--manifest", type=Path, required=True, help="a labelled corpus: manifest CSV, or its folder")
    parser.add_argument("--seeds", type=int, default=5, help="speaker-disjoint folds (default: 5)")
    parser.add_argument("--fractions", type=_fractions, default=(1.0,), help="shares of the labels, such as .1,.2,1")
    parser.add_argument("--layers", type=_layers, default=(), help="hidden states: 1,2 or all; else the middle")
    parser.add_argument("--normalise-speakers", action="store_true", help="normalise embeddings per speaker")
    parser.add_argument("--cache", type=Path, default=cache, help="feature store, reused between runs")
    parser.add_argument("--output", type=Path, help="where the JSON goes")


def _fractions(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _layers(text: str) -> tuple[int, ...] | None:
    return None if text == "all" else tuple(int(part) for part in text.split(","))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when it did what it was asked, 1 after a refusal, which is printed."""
    chosen = read_arguments(arguments)
    # Imported late, so that --help does not wait for torch.
    from al_core.audio import AudioError
    from al_core.corpora.corpus import CorpusError
    from al_core.encoders import EncoderError
    from al_core.features import FeatureError
    from al_core.recipe import RecipeError
    from tapt.errors import TaptError

    try:
        _do(chosen)
    except (
        AudioError, CorpusError, EncoderError, FeatureError, RecipeError, TaptError, TaptRecipeError
    ) as error:  # fmt: skip
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = "" if chosen.verb == "evaluate" else f"; `python -m tapt resume {chosen.out}` goes on"
        print(f"stopped{goes_on}", file=sys.stderr)
        return 130
    return 0


def _do(chosen: argparse.Namespace) -> None:
    if chosen.verb == "evaluate":
        from tapt.evaluate_corpus import EvaluationAsked, evaluate_corpus

        evaluate_corpus(EvaluationAsked(**{name: value for name, value in vars(chosen).items() if name != "verb"}))
        return
    from tapt.adapt import Asked, resume_run, start_run

    if chosen.verb == "resume":
        resume_run(chosen.out, chosen.processes)
        return
    plain = {"steps": chosen.steps, "seed": chosen.seed}
    settings = [*chosen.settings, *(f"{name}={value}" for name, value in plain.items() if value is not None)]
    recipe = recipe_of(chosen.objective, chosen.scope, settings)
    start_run(Asked(recipe, chosen.manifest, chosen.encoder, chosen.split), chosen.out, chosen.processes)


if __name__ == "__main__":
    sys.exit(main())
