"""Sizes that the papers print, recipes that do not fit an encoder, and outlines that say so without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.outline import Outline, check_fits, read_outline, resolve_layers
from al_core.encoders.tiny import TINY_FAMILIES, TinyFamily, build_tiny
from al_core.encoders.waveform import WaveformEncoder
from al_core.peft import methods
from al_core.peft.network import Network
from al_core.peft.specs import (
    Adapter,
    BitFit,
    Combined,
    Dora,
    Full,
    Gate,
    Ia3,
    LastK,
    Lora,
    Method,
    Probe,
    Prompts,
    Trained,
    WeightedSum,
)
from al_core.peft.storing import trained_tensors
from al_core.recipe import Recipe, RecipeError, standard_recipe
from al_core.scheme import Scheme

FOUR = Scheme(("anger", "happiness", "neutral", "sadness"))


@pytest.fixture(scope="module")
def base() -> SpeechEncoder:
    """wav2vec2-base's 12 blocks of 768, in shapes only."""
    with torch.device("meta"):
        network = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()).to("meta")
    return WaveformEncoder(network, transformers.Wav2Vec2FeatureExtractor(), "base")


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def folder(request, tmp_path_factory) -> Path:
    return build_tiny(request.param, tmp_path_factory.mktemp(request.param) / "encoder")


def built(recipe: Recipe, encoder: SpeechEncoder) -> Network:
    with torch.device("meta"):
        return methods.build(recipe, FOUR, encoder)


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        (Lora(rank=16), 1_474_560),  # PEFT-SER
        (Adapter(width=128), 2_370_048),  # PEFT-SER
        (Adapter(width=128, placement="sequential"), 2_370_048),
        (Prompts(n=5), 46_080),  # PEFT-SER
        (Prompts(n=5, softmax="shared"), 46_080),
        (WeightedSum(), 12),
        (Combined(parts=(Adapter(), Lora(), WeightedSum(), Gate())), 2_370_048 + 1_474_560 + 12 + 12 + 24),
        (LastK(k=3), 3 * 7_087_872),
        (Full(), 12 * 7_087_872),
        (Full(front_end=True), 94_371_712 - 768),  # all of wav2vec2-base but the mask embedding
        (BitFit(), 12 * (6 * 768 + 3_072)),  # of the keys none
        (Dora(rank=16), 1_474_560 + 12 * (768 + 3_072)),
        (Lora(rank=16, targets="attention"), 12 * 4 * 16 * 2 * 768),
        (Lora(rank=16, last=3), 1_474_560 // 4),
        (Ia3(), 12 * 3_072),
        (Ia3(targets="all"), 12 * (2 * 768 + 3_072)),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else str(value),
)
def test_on_12_blocks_of_768_a_method_trains_as_many_weights_as_its_paper_says(method: Trained, weights, base):
    network = built(Recipe(method=method), base)
    trained = {name: w for name, w in network.named_parameters() if w.requires_grad and not name.startswith("head.")}
    assert sum(w.numel() for w in trained.values()) == weights


def test_peft_ser_s_head_has_its_published_size(base):
    network = built(Recipe(method=WeightedSum(), head="conv"), base)
    assert sum(w.numel() for w in network.parameters() if w.requires_grad) == 395_280


def test_the_lowest_trained_block_decides_where_the_network_begins(base):
    def start(method: Trained) -> int:
        return built(Recipe(method=method), base).start

    assert start(LastK(k=3)) == 9
    assert start(WeightedSum()) == 0
    assert start(Combined(parts=(WeightedSum(), Lora(last=3)))) == 9
    assert start(Combined(parts=(Lora(last=3), Adapter(last=5), Gate(), WeightedSum()))) == 7
    assert built(Recipe(method=Lora(last=3), layer=6), base).start == 3


def test_trained_weights_keep_their_names_whatever_else_is_inserted(base):
    alone = trained_tensors(built(Recipe(method=Lora()), base))
    beside = trained_tensors(built(Recipe(method=Combined(parts=(Lora(), Ia3(targets="all"), BitFit()))), base))
    assert alone.keys() < beside.keys()
    assert "encoder.layers.11.feed_forward.output_dense.lora_B.lora.weight" in alone
    assert "encoder.layers.11.feed_forward.output_dense.bias" in beside


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (Recipe(method=LastK(k=4)), r"recipe\.method\.k is 4: only 3 blocks"),
        (Recipe(method=Lora(last=4)), r"recipe\.method\.last is 4: only 3 blocks"),
        (Recipe(method=Lora(last=3), layer=2), r"recipe\.method\.last is 3: only 2 blocks"),
        (Recipe(method=Lora(), layer=4), r"recipe\.layer is 4: this encoder has hidden states 0 to 3"),
        (Recipe(method=Probe(), layer=4), r"recipe\.layer is 4"),
        (Recipe(method=Probe(layers=(1, 4))), r"recipe\.method\.layers names 4: this encoder has hidden states 0 to 3"),
        (Recipe(method=Lora(), layer=0), r"recipe\.layer is 0: lora has no block"),
        (Recipe(method=Prompts(), layer=0), r"recipe\.layer is 0: prompts has no block"),
        (
            Recipe(method=Lora(targets=("query",))),
            r"recipe\.method\.targets names 'query', which matches nothing.*q_proj",
        ),
        (Recipe(method=Ia3(targets=("q_proj", "wi"))), r"recipe\.method\.targets names 'wi', which matches nothing"),
        (
            Recipe(method=Combined(parts=(BitFit(), Dora(targets=("key",))))),
            r"recipe\.method\.parts\.1\.targets names 'key'",
        ),
        (Recipe(method=Combined(parts=(WeightedSum(), LastK(k=1)))), r"weighted_sum has one hidden state"),
        (Recipe(method=Combined(parts=(Lora(), Dora(targets="all")))), r"lora and dora both update"),
    ],
    ids=str,
)
def test_a_recipe_that_does_not_fit_is_refused_by_name_with_and_without_torch(recipe, sentence, folder):
    outline = read_outline(folder)
    assert outline is not None
    with pytest.raises(RecipeError, match=sentence):
        check_fits(recipe, outline)
    if not isinstance(recipe.method, Probe):
        with pytest.raises(RecipeError, match=sentence):
            methods.build(recipe, FOUR, open_encoder(folder))


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (Gate(), "gate has nothing to gate"),
        (Combined(parts=(Gate(), WeightedSum(), BitFit())), "gate has nothing to gate"),
        (Combined(parts=(Gate(), Lora(), Dora(targets="attention"))), "gate cannot scale dora"),
        (Combined(parts=(Adapter(), Ia3(), Gate())), "gate cannot scale ia3"),
        (
            Combined(parts=(Adapter(), Prompts(softmax="shared"), Gate())),
            "gate cannot scale prompts in a shared softmax",
        ),
    ],
    ids=["alone", "nothing added", "dora", "ia3", "shared prompts"],
)
def test_a_gate_that_cannot_work_is_refused_with_the_recipe(method: Method, sentence):
    with pytest.raises(RecipeError, match=sentence):
        Recipe(method=method)


@pytest.mark.parametrize(
    "method",
    [Full(), LastK(k=3), Lora(targets=("q_proj", "fc1")), Lora(last=3, targets="all"), Ia3(targets="attention")],
    ids=["full", "last_k", "by name", "last", "ia3"],
)
def test_a_recipe_that_fits_is_not_refused(method: Trained, tmp_path):
    outline = read_outline(build_tiny("whisper", tmp_path))
    assert outline is not None
    check_fits(Recipe(method=method), outline)
    check_fits(Recipe(), outline)


@pytest.mark.parametrize(
    ("recipe", "layers"),
    [
        (standard_recipe(), (3, 6, 9)),
        (standard_recipe(layer=4), (4,)),
        (Recipe(layer=-1), (12,)),
        (Recipe(method=Probe(layers=(0, 12)), layer=4), (0, 12)),
        (Recipe(method=Lora(), layer=7), (7,)),
    ],
)
def test_a_recipe_reads_these_of_12_blocks(recipe, layers, base):
    assert resolve_layers(recipe, base.outline) == layers


def test_the_outline_read_from_the_configuration_is_the_encoder_s(folder):
    assert read_outline(folder) == read_outline(str(folder)) == open_encoder(folder).outline


def test_an_encoder_in_the_hub_s_cache_has_its_outline_and_any_other_has_none(tmp_path):
    family: TinyFamily = "wavlm"
    snapshot = tmp_path / "models--someone--wavlm" / "snapshots" / "abc"
    build_tiny(family, snapshot)
    refs = tmp_path / "models--someone--wavlm" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    code = (
        "import sys\n"
        "from al_core.encoders.outline import read_outline\n"
        "print([read_outline(s) for s in sys.argv[1:]])\n"
        "print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    )
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    sources = [
        "someone/wavlm",
        "someone/else",
        "no id: at all",
        "./absent",
        str(tmp_path / "bert"),
        str(tmp_path / "broken"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *sources],
        env={"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    outlines, heavy = done.stdout.splitlines()
    assert eval(outlines, {"Outline": Outline}) == [open_encoder(snapshot).outline, *[None] * 5]
    assert heavy == "set()"
