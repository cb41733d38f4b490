"""The encoder that comes with the package: it opens by name, says how it was made, and has learnt something."""

import json
from pathlib import Path

import numpy as np

from al_core.corpora.read import read_corpus
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.fresh import build_fresh
from al_core.encoders.outline import read_outline
from al_core.encoders.starter import STARTER, place_of
from al_core.evaluation.metrics import uar
from al_core.features import FeatureStore, embed
from al_core.folds import LabelledCorpus, load_labelled
from al_core.peft.probe import ProbeClassifier, feature_spec
from al_core.peft.specs import Probe
from al_core.recipe import Recipe
from tapt.heard import read_heard
from tapt.recipe import MaskedUnits, tapt_recipe_from_dict

FOLDER = Path(place_of(STARTER))


def test_it_opens_by_its_name_and_keeps_it() -> None:
    encoder = open_encoder(STARTER)
    assert (encoder.source, encoder.family, encoder.n_layers, encoder.hidden_size) == (STARTER, "hubert", 4, 256)
    outline = read_outline(STARTER)
    assert outline is not None and outline.n_layers == 4
    assert open_encoder(FOLDER).digest == encoder.digest


def test_transformers_opens_its_folder() -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    assert AutoModel.from_pretrained(FOLDER).config.model_type == "hubert"
    assert AutoFeatureExtractor.from_pretrained(FOLDER).sampling_rate == 16_000


def test_it_is_small_and_says_how_it_was_made() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir() if file.is_file()) < 16e6
    told = json.loads((FOLDER / "tapt.json").read_text(encoding="utf-8"))
    recipe = tapt_recipe_from_dict(told["recipe"])
    assert isinstance(recipe.objective, MaskedUnits) and recipe.objective.first_units == "mfcc"
    assert told["steps"] == recipe.steps and told["encoder"].startswith("random weights")
    heard = read_heard(STARTER)
    assert heard is not None and len(heard) == told["clips"]


def test_it_tells_emotions_of_speakers_it_never_heard_better_than_random_weights(shared: Path, tmp_path: Path) -> None:
    corpus = load_labelled(read_corpus(shared / "data" / "emodb-2s" / "manifest.csv"))
    assert not (read_heard(FOLDER) or set()) & {clip.key for clip in corpus.clips}
    store = FeatureStore(tmp_path / "features")
    learnt, blank = (probed(open_encoder(one), corpus, store) for one in (STARTER, build_fresh("hubert", tmp_path)))
    assert learnt > blank + 0.05


def probed(encoder: SpeechEncoder, corpus: LabelledCorpus, store: FeatureStore) -> float:
    """UAR on the clips of three speakers, after learning from the others, at the first block's hidden state."""
    recipe = Recipe(layer=1)
    for _ in embed(encoder, store, [feature_spec(recipe, encoder)], corpus.clips):
        pass
    held = np.isin(np.array(corpus.groups), sorted(set(corpus.groups))[-3:])
    train, test = corpus.labelled(np.flatnonzero(~held)), corpus.labelled(np.flatnonzero(held))
    said = ProbeClassifier.fit(recipe, corpus.scheme, encoder, store, train, (), Probe(c=0.1)).predict(test.clips)
    return uar(test.targets.argmax(axis=1), said.probabilities.argmax(axis=1), len(corpus.scheme))
