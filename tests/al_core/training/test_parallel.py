"""Two processes give the weights of one: same minibatches, same loss, whatever the loss is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder
from al_core.features import FeatureStore
from al_core.peft.specs import Adapter, Full, LastK, Lora
from al_core.processes import team
from al_core.recipe import Recipe
from al_core.targets import LabelledClips
from al_core.train import StepReport, TrainError, fine_tune
from al_core.training import parallel
from al_core.training.parallel import n_processes
from al_core.training.weights import snapshot


@pytest.fixture
def run(without_dropout, store: FeatureStore, voices, schemes):
    """Reports of a run on 9 clips: with minibatches of 4 the last has one, of which a second process gets none."""

    def made(recipe: Recipe, scheme: str, processes: int, family: str = "whisper") -> list[StepReport]:
        own = schemes[scheme]
        encoder: SpeechEncoder = without_dropout(family)
        train, dev = voices(0, 9, own), voices(20, 6, own)
        return list(fine_tune(recipe, own, encoder, store, train, dev, processes=processes))

    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "scheme"),
    [
        (Recipe(method=LastK(k=2), epochs=3, minibatch=4), "both"),
        (Recipe(method=Full(front_end=True), epochs=2, minibatch=4, cache="off"), "classes"),
        (Recipe(method=Lora(rank=4), epochs=2, minibatch=4, accumulate=2), "dimensions"),
        (Recipe(method=Adapter(dropout=0.0), epochs=2, minibatch=3, precision="bf16"), "classes"),
    ],
    ids=["last k, both", "full, classes", "lora, dimensions, accumulated", "adapter, bf16"],
)
def test_two_processes_end_with_the_losses_and_weights_of_one(recipe, scheme, run):
    alone, together = run(recipe, scheme, 1), run(recipe, scheme, 2)
    tolerance = 1e-5 if recipe.precision != "bf16" else 2e-3
    losses = [[r.loss for r in told if r.stage == "train"] for told in (alone, together)]
    assert len(losses[0]) == recipe.epochs * -(-len(range(0, 9, recipe.minibatch)) // recipe.accumulate)
    np.testing.assert_allclose(losses[0], losses[1], rtol=tolerance, atol=tolerance)
    own, other = (snapshot(told[-1].classifier.network) for told in (alone, together))  # type: ignore[union-attr]  # trained, so it has one
    assert own.keys() == other.keys()
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, other[name], rtol=10 * tolerance, atol=10 * tolerance, msg=name)
    assert alone[-1].epoch == together[-1].epoch
    # The group is gone, and its environment with it: the next case trains alone and in a group again.
    assert not torch.distributed.is_initialized()


def test_one_process_starts_nothing(run, monkeypatch):
    monkeypatch.setattr(team, "spawn", lambda module: pytest.fail("a further process was started"))
    assert run(Recipe(method=LastK(k=1), epochs=1), "classes", 1)[-1].classifier is not None


def test_a_further_process_that_cannot_open_the_encoder_ends_the_run_by_name(
    run, without_dropout, monkeypatch, tmp_path
):
    encoder = without_dropout("whisper")
    monkeypatch.setattr(type(encoder), "source", str(tmp_path / "moved"), raising=False)
    recipe = Recipe(method=LastK(k=1), epochs=1, minibatch=4)
    errand = parallel._errand
    monkeypatch.setattr(parallel, "_errand", lambda *given: replace(errand(*given), source=str(tmp_path / "moved")))
    with pytest.raises(TrainError, match="a further process could not begin"):
        run(recipe, "classes", 2)


def test_clips_that_cannot_travel_are_refused_by_name(without_dropout, store, voices, schemes):
    train = voices(0, 6)
    stuck = tuple(replace(clip, load=lambda clip=clip: clip.load()) for clip in train.clips)
    recipe = Recipe(method=LastK(k=1), epochs=1, minibatch=4)
    given = (recipe, schemes["classes"], without_dropout("whisper"), store, LabelledClips(stuck, train.targets), None)
    with pytest.raises(TrainError, match=r"cannot be sent to another process .*processes=1"):
        list(fine_tune(*given, processes=2))


def test_a_cpu_is_one_device_and_a_minibatch_is_never_cut_finer_than_a_clip(without_dropout):
    encoder = without_dropout("whisper")
    assert n_processes(encoder, Recipe(), None) == 1
    assert n_processes(encoder, Recipe(minibatch=2), 8) == 2
    with pytest.raises(TrainError, match="processes is 0"):
        n_processes(encoder, Recipe(), 0)


@pytest.mark.slow
def test_a_further_process_that_dies_ends_the_run_by_name(without_dropout, store, voices, schemes, monkeypatch):
    further, spawn = [], team.spawn
    monkeypatch.setattr(team, "spawn", lambda module: further.append(spawn(module)) or further[-1])
    recipe = Recipe(method=LastK(k=1), epochs=3, minibatch=4)
    given = (recipe, schemes["classes"], without_dropout("whisper"), store, voices(0, 9), None)
    run = fine_tune(*given, processes=2)
    assert next(r for r in run if r.stage == "train").step == 1
    further[0].kill()
    with pytest.raises(TrainError, match="a further process ended early"):
        list(run)
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
def test_a_run_that_is_dropped_takes_its_further_processes_with_it(
    without_dropout, store, voices, schemes, monkeypatch
):
    further, spawn = [], team.spawn
    monkeypatch.setattr(team, "spawn", lambda module: further.append(spawn(module)) or further[-1])
    recipe = Recipe(method=LastK(k=1), epochs=3, minibatch=4)
    given = (recipe, schemes["classes"], without_dropout("whisper"), store, voices(0, 9), None)
    run = fine_tune(*given, processes=2)
    assert next(r for r in run if r.stage == "train").step == 1
    assert further[0].poll() is None
    run.close()
    assert further[0].poll() is not None


def test_a_further_process_ends_when_the_process_that_started_it_does():
    """Killed -9, it leaves nothing behind but the end of the pipe."""
    process = team.spawn(parallel.FURTHER)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=240) == 0  # importing torch takes seconds, on a busy machine a minute
