"""What a second stage owes the first: it begins where that ended, and a stacked one leaves it exactly as it was."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.checkpoint import load_checkpoint, open_first_stage, save_checkpoint
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.evaluation.evaluate import Truth
from al_core.features import Clip, FeatureStore
from al_core.peft import methods
from al_core.peft.first_stage import digest_of
from al_core.peft.specs import Adapter, BitFit, Combined, Dora, Full, Gate, Ia3, LastK, Lora, Prompts, Trained
from al_core.peft.tuned import TunedClassifier
from al_core.recipe import Recipe, RecipeError, Start
from al_core.scheme import Dimension, Scheme
from al_core.shared_scheme import shared_scheme
from al_core.targets import LabelledClips, labels_digest, one_hot
from al_core.train import fine_tune
from al_core.two_stage import figures_on

SCHEME = Scheme(("anger", "joy", "neutral"))
LABELS = ["anger", "joy", "neutral", "joy", "anger", "joy"]
METHODS: tuple[Trained, ...] = (
    Full(),
    LastK(k=2),
    BitFit(),
    Lora(rank=4, dropout=0.1),
    Dora(rank=4),
    Ia3(),
    Adapter(width=8),
    Prompts(n=3),
    Combined(parts=(Lora(rank=2), Adapter(width=8), Gate())),
)


def speech(i: int) -> np.ndarray:
    """A tone of its own pitch and length in noise, 0.3 to 0.8 s."""
    rng = np.random.default_rng(i)
    t = np.arange(4_800 + 1_600 * i) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 60 * i) * t) + 0.02 * rng.standard_normal(len(t))).astype(np.float32)


def clips() -> tuple[Clip, ...]:
    return tuple(Clip(f"clip-{i}", len(speech(i)) / 16_000, "ada", lambda i=i: speech(i)) for i in range(6))


TRAIN = LabelledClips(clips(), one_hot(LABELS, SCHEME))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> SpeechEncoder:
    return open_encoder(build_tiny("wavlm", tmp_path_factory.mktemp("encoder")))


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tuned(recipe: Recipe, encoder: SpeechEncoder, store: FeatureStore, scheme: Scheme = SCHEME) -> TunedClassifier:
    labels = [scheme.classes[i % 2] for i in range(len(clips()))]
    *_, last = fine_tune(recipe, scheme, encoder, store, LabelledClips(clips(), one_hot(labels, scheme)), None)
    assert isinstance(last.classifier, TunedClassifier)
    return last.classifier


def saved(classifier: TunedClassifier, folder: Path) -> Path:
    save_checkpoint(folder, classifier, labels_digest([clip.key for clip in clips()], TRAIN.targets))
    return folder


def states(classifier: TunedClassifier) -> torch.Tensor:
    """What the head reads of one clip."""
    list(classifier.frames.prepare(clips()))
    with torch.no_grad():
        return classifier.network.eval().states(*classifier.frames.read(clips()[:1]))


@pytest.fixture(scope="module")
def first_stage(encoder, tmp_path_factory):
    """`first_stage(method)`: the folder of a first stage, trained once a method and only read; and its recipe."""
    root = tmp_path_factory.mktemp("first")

    @functools.cache
    def made(method: Trained) -> tuple[Path, Recipe]:
        recipe = Recipe(method=method, epochs=2, minibatch=4, learning_rate=1e-2)
        place = root / str(METHODS.index(method))
        return saved(tuned(recipe, encoder, FeatureStore(place / "features")), place / "checkpoint"), recipe

    return made


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
@pytest.mark.parametrize("adaptors", ["continue", "stack"])
def test_a_second_stage_begins_at_the_first_s_hidden_states(method, adaptors, first_stage, encoder, store):
    folder, recipe = first_stage(method)
    second = replace(recipe, start=Start(str(folder), adaptors))
    first = open_first_stage(second.start, encoder, store)
    before = methods.untrained(recipe, SCHEME, encoder, store)
    begun = methods.untrained(second, SCHEME, encoder, store, first)
    torch.testing.assert_close(states(begun), states(first.classifier), atol=2e-3, rtol=1e-3)  # a cache is float16
    assert (states(first.classifier) - states(before)).abs().max() > 1e-4, "the first stage learned something"


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_without_a_stacked_second_stage_the_first_is_back_exactly(method, encoder, store, tmp_path):
    recipe = Recipe(method=method, epochs=1, minibatch=4, learning_rate=1e-2)
    first = tuned(recipe, encoder, store)
    expected = first.predict(clips()).probabilities
    folder = saved(first, tmp_path / "first")
    second = tuned(replace(recipe, epochs=3, start=Start(str(folder), "stack")), encoder, store)
    assert second.first is not None
    np.testing.assert_array_equal(second.first.classifier.predict(clips()).probabilities, expected)
    assert np.abs(second.predict(clips()).probabilities - expected).max() > 1e-4, "the second stage learned something"


@pytest.mark.parametrize("above", [Lora(rank=2), LastK(k=1), Adapter(width=4), Prompts(n=2)], ids=lambda m: m.kind)
@pytest.mark.parametrize("below", METHODS, ids=lambda m: m.kind)
def test_a_saved_second_stage_carries_its_first_and_predicts_the_same(
    below, above, first_stage, encoder, store, tmp_path
):
    folder = Path(shutil.copytree(first_stage(below)[0], tmp_path / "first"))
    recipe = Recipe(method=above, epochs=1, minibatch=4, start=Start(str(folder), "stack"))
    second = tuned(recipe, encoder, store)
    place = saved(second, tmp_path / "second")
    folder.rename(tmp_path / "moved away")
    again = load_checkpoint(place, encoder, FeatureStore(tmp_path / "other features"))
    np.testing.assert_allclose(again.predict(clips()).probabilities, second.predict(clips()).probabilities, atol=1e-6)


def test_a_third_stage_stacks_on_the_second(encoder, store, tmp_path):
    recipe = Recipe(method=Lora(rank=2), epochs=1, minibatch=4)
    for number in range(3):
        start = Start(str(tmp_path / str(number - 1)), "stack") if number else None
        classifier = tuned(replace(recipe, start=start), encoder, store)
        saved(classifier, tmp_path / str(number))
    again = load_checkpoint(tmp_path / "2", encoder, store)
    np.testing.assert_allclose(
        again.predict(clips()).probabilities, classifier.predict(clips()).probabilities, atol=1e-6
    )


def test_continuing_trains_on_what_the_first_stage_learned(encoder, store, tmp_path):
    recipe = Recipe(method=Lora(rank=4), epochs=2, minibatch=4, learning_rate=1e-2)
    folder = saved(tuned(recipe, encoder, store), tmp_path / "first")
    first = open_first_stage(Start(str(folder)), encoder, store)
    second = tuned(replace(recipe, start=Start(str(folder))), encoder, store)
    assert second.first is None, "its adaptors hold both stages"
    assert digest_of(replace(first, classifier=second)) != digest_of(first)


def test_a_stage_that_cannot_be_continued_is_refused_by_name(encoder, store, tmp_path):
    folder = saved(tuned(Recipe(method=Lora(rank=2), epochs=1), encoder, store), tmp_path / "first")
    with pytest.raises(RecipeError, match=r"continue.*Lora\(.*stack"):
        tuned(Recipe(method=Lora(rank=3), epochs=1, start=Start(str(folder))), encoder, store)
    with pytest.raises(RecipeError, match="no class for fear, surprise: it has anger, joy, neutral"):
        scheme = Scheme(("anger", "fear", "surprise"))
        tuned(Recipe(method=Lora(rank=2), epochs=1, start=Start(str(folder))), encoder, store, scheme)


def test_a_probe_is_no_first_stage(encoder, store, tmp_path):
    *_, last = fine_tune(Recipe(), SCHEME, encoder, store, TRAIN, None)
    save_checkpoint(tmp_path / "probe", last.classifier, "")
    with pytest.raises(RecipeError, match="is a probe"):
        tuned(Recipe(method=Lora(rank=2), start=Start(str(tmp_path / "probe"))), encoder, store)


A = Scheme(("anger", "calm", "joy"), (Dimension("arousal", 1, 5), Dimension("valence", 1, 5)))
B = Scheme(("happiness", "anger", "boredom"), (Dimension("valence", 1, 5), Dimension("arousal", 0, 1)))


def test_schemes_are_mapped_by_name_and_what_differs_in_range_is_left_out():
    shared = shared_scheme(A, B, Start("a", classes=(("joy", "happiness"),), new_classes=("boredom",)))
    assert shared.scheme == Scheme(("happiness", "anger"), (Dimension("valence", 1, 5),))
    assert (shared.source, shared.target) == ((2, 0), (0, 1))
    assert (shared.source_dimensions, shared.target_dimensions) == ((1,), (0,))


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (Start("a"), "no class for happiness, boredom"),
        (Start("a", classes=(("joy", "glee"),)), "pairs 'joy' with 'glee'"),
        (Start("a", classes=(("joy", "happiness"), ("joy", "boredom"))), "joy twice"),
        (Start("a", classes=(("joy", "happiness"), ("calm", "happiness")), new_classes=("boredom",)), "twice"),
        (Start("a", new_classes=("fear",)), "new_classes names 'fear'"),
    ],
)
def test_a_class_that_cannot_be_mapped_is_refused(start, sentence):
    with pytest.raises(RecipeError, match=sentence):
        shared_scheme(A, B, start)


class Certain:
    """Predicts each clip's last figure's class, in its own scheme's order."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme

    def predict(self, heard):
        from al_core.classifier import Predictions

        rows = np.eye(len(self.scheme), dtype=np.float32)[[int(clip.key[-1]) % 3 for clip in heard]]
        return Predictions(rows, np.full((len(heard), 2), 3.0, dtype=np.float32))


def test_figures_count_the_shared_classes_only_whichever_scheme_labels_or_predicts():
    a, b = Scheme(("anger", "calm", "joy")), Scheme(("happiness", "anger", "boredom"))
    shared = shared_scheme(a, b, Start("a", classes=(("joy", "happiness"),), new_classes=("boredom",)))
    truth_in_a = Truth(np.array([0, 1, 2, 0, 1, 2]), np.zeros((6, 0), np.float32))
    own = figures_on(Certain(a), clips(), truth_in_a, shared, labelled_in_source=True, trained_on_source=True)
    assert own.n == 4, "calm is no class of both"
    assert own.classes is not None
    assert own.classes.uar == 1.0
    other = figures_on(Certain(b), clips(), truth_in_a, shared, labelled_in_source=True, trained_on_source=False)
    # Clips 0 and 3 (anger) are heard as happiness; 2 and 5 (joy) as boredom: a tie, which the first class wins.
    assert other.classes is not None
    assert other.classes.per_class_recall == (1.0, 0.0)
