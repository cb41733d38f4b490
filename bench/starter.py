"""What is the starter encoder worth? Probe UAR on EMO-DB, which it never heard, beside the same network at random.

Five folds of two test speakers, mean-pooled frames of one hidden state, logistic regression. The figure to beat is what
eGeMAPS functionals reach on the same cut of the corpus (0.62, `data/README.md` of the shared folder; not run here).

    python bench/starter.py                                       # measure the one that comes with the package
    python bench/starter.py --train --steps 4000 --output folder  # make one: the recipe in code, an hour of one core

Training hears RAVDESS and the Urdu corpus, without labels, and nothing of EMO-DB.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# The packages of this checkout, not of another one that may be installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import shutil
import tempfile
from dataclasses import replace

import numpy as np
from _table import Row, finish, parser
from safetensors.torch import load_file, save_file

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.fresh import build_fresh
from al_core.encoders.starter import STARTER
from al_core.features import FeatureStore, embed
from al_core.folds import LabelledCorpus, load_labelled
from al_core.peft.probe import feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from tapt.evaluate import probe_figures
from tapt.evaluate_folds import EvaluationFold, LabelledSpeech
from tapt.heard import write_heard
from tapt.pretrain import pretrain
from tapt.recipe import Everything, MaskedUnits, TaptRecipe

SHARED = Path(os.environ.get("AFTERLOOP_SHARED", Path(__file__).resolve().parents[2] / "shared"))
HEARD, TESTED = ("ravdess", "urdu"), "emodb-2s"
EGEMAPS = 0.62
N_FOLDS = 5
RECIPE = MaskedUnits(units=200, layers=(2,), stages=2, first_units="mfcc", visible_weight=1.0)


def main() -> None:
    made = parser(__doc__.splitlines()[0])
    made.add_argument("--train", action="store_true", help="make a new one first, and measure that")
    made.add_argument("--steps", type=int, default=4000, help="of 30 s of audio, with --train")
    made.add_argument("--output", type=Path, help="folder of what --train makes; a broken run goes on there")
    arguments = made.parse_args()
    rows: list[Row] = []
    if not (SHARED / "data").is_dir():
        print(f"no real speech at {SHARED}: set AFTERLOOP_SHARED to the folder that holds data/")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.output or Path(scratch)
            starter: str | Path = STARTER
            if arguments.train or arguments.short:
                starter = trained(folder, 2 if arguments.short else arguments.steps, thin=40 if arguments.short else 1)
            rows = measured(starter, Path(scratch), thin=2 if arguments.short else 1)
    finish("starter", rows, arguments.json)


def trained(folder: Path, steps: int, thin: int) -> Path:
    """The recipe of the starter: HuBERT's first two iterations, from random weights."""
    clips = [clip for name in HEARD for clip in corpus_of(name, thin).clips]
    recipe = TaptRecipe(RECIPE, steps=steps, learning_rate=1e-3, scope=Everything(front_end=True), precision="bf16")
    start = open_encoder(build_fresh("hubert", folder / "random"))
    *_, last = pretrain(recipe, start, clips, folder / "starter")
    assert last.folder is not None, "the last report names the folder"
    write_heard(folder / "shipped", {clip.key for clip in clips})
    return shipped(last.folder, folder / "shipped", start)


def shipped(adapted: Path, folder: Path, start: SpeechEncoder) -> Path:
    """Half of the bytes: weights in float16, which opens as float32. What the run kept of its start is named."""
    weights = {name: tensor.half() for name, tensor in load_file(adapted / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(adapted / name, folder / name)
    told = json.loads((adapted / "tapt.json").read_text(encoding="utf-8"))
    told["encoder"] = f"random weights of seed 0, {start.family} of al_core/encoders/fresh.py"
    (folder / "tapt.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return folder


def measured(starter: str | Path, scratch: Path, thin: int) -> list[Row]:
    """UAR of every hidden state and of the standard recipe's three, of the starter and the same network at random."""
    corpus = corpus_of(TESTED, thin)
    learned, blank = (
        figures(open_encoder(source), corpus, FeatureStore(scratch / "features"))
        for source in (starter, build_fresh("hubert", scratch / "blank", seed=1))
    )
    rows = [Row(name, uar, "UAR", yardstick=blank[name]) for name, uar in learned.items()]
    rows.append(Row("best hidden state", max(learned.values()), "UAR", target=EGEMAPS))
    return [*rows, Row("random weights, best hidden state", max(blank.values()), "UAR")]


def figures(encoder: SpeechEncoder, corpus: LabelledCorpus, store: FeatureStore) -> dict[str, float]:
    """Mean UAR over the folds, by what is read."""
    speech = LabelledSpeech.of(corpus)
    readings = {f"hidden state {layer}": Recipe(layer=layer) for layer in range(encoder.n_layers + 1)}
    readings["the three of the standard recipe"] = Recipe(method=Probe(layers="quarters", fusion="late"))
    specs = [feature_spec(recipe, encoder) for recipe in readings.values()]
    for _ in embed(encoder, store, specs, corpus.clips):
        pass
    return {
        name: float(
            np.mean([probe_figures(recipe, encoder, speech, fold, (1.0,), 0, store)[0][1] for fold in folds(corpus)])
        )
        for name, recipe in readings.items()
    }


def folds(corpus: LabelledCorpus) -> list[EvaluationFold]:
    """Every speaker is tested on once."""
    groups = np.array(corpus.groups)
    speakers = sorted(set(corpus.groups))
    parts = [np.isin(groups, speakers[k::N_FOLDS]) for k in range(N_FOLDS)]
    return [EvaluationFold(np.flatnonzero(~held), np.flatnonzero(held)) for held in parts]


def corpus_of(name: str, every: int) -> LabelledCorpus:
    """A corpus, or each n-th clip of it."""
    corpus = load_labelled(read_corpus(SHARED / "data" / name / "manifest.csv"))
    parts = {part: getattr(corpus, part)[::every] for part in ("clips", "labels", "groups", "splits")}
    return replace(corpus, **parts)


if __name__ == "__main__":
    main()
