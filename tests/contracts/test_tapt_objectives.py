"""One body for every TAPT objective over every encoder family."""

from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import TINY_FAMILIES, build_tiny
from al_core.features import Clip
from tapt.objective import start_objective
from tapt.recipe import MaskedUnits, Objective, TaptRecipe
from tapt.run_state import start_run

OBJECTIVES: list[Objective] = [MaskedUnits(units=12)]


def babble(seed: int) -> np.ndarray:
    """A second of noise whose colour changes every tenth of a second."""
    rng = np.random.default_rng(seed)
    tilts = np.repeat(rng.choice([0.0, 0.5, 0.9, -0.9], size=10), 1600)
    noise = rng.standard_normal(16_001)
    return (0.1 * (noise[1:] + tilts * noise[:-1])).astype(np.float32)


CLIPS = [Clip(f"{i}", 1.0, None, partial(babble, i)) for i in range(8)]


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


@pytest.fixture(params=OBJECTIVES, ids=lambda objective: objective.kind)
def recipe(request: pytest.FixtureRequest) -> TaptRecipe:
    return TaptRecipe(objective=request.param, seconds_per_step=4.0, learning_rate=3e-3, train_last=2)


def test_every_objective_is_under_this_contract() -> None:
    assert {type(objective) for objective in OBJECTIVES} == set(get_args(Objective) or (Objective,))


def test_preparing_tells_how_far_it_is_and_ends_whole(recipe: TaptRecipe, encoder: SpeechEncoder) -> None:
    told = list(start_objective(recipe, encoder).prepare(encoder, CLIPS))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_the_loss_teaches_the_learning_blocks_and_the_new_parameters(
    recipe: TaptRecipe, encoder: SpeechEncoder
) -> None:
    run = start_run(recipe, encoder)
    list(run.objective.prepare(encoder, CLIPS))
    batch = encoder.prepare([CLIPS[i].load() for i in (0, 3, 5)])
    outcome = run.objective.loss(run.student, batch, (0, 3, 5), np.random.default_rng(0))
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert 0 <= outcome.accuracy <= 1
    assert outcome.predicted.shape == outcome.wanted.shape
    assert outcome.predicted.sum() > 0
    for parameter in run.objective.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    for i, block in enumerate(run.student.encoder.blocks):
        moved = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in block.parameters()]
        assert any(moved) == (i >= run.student.first)


def test_a_restored_objective_gives_the_same_loss(recipe: TaptRecipe, encoder: SpeechEncoder) -> None:
    first, second = start_run(recipe, encoder), start_run(TaptRecipe(objective=recipe.objective, seed=9), encoder)
    list(first.objective.prepare(encoder, CLIPS))
    second.objective.restore(first.objective.state())
    batch = encoder.prepare([CLIPS[i].load() for i in (1, 2)])
    first.student.encoder.eval()
    losses = [
        run.objective.loss(first.student, batch, (1, 2), np.random.default_rng(4)).loss.item()
        for run in (first, second)
    ]
    assert losses[0] == losses[1]


def test_one_minibatch_can_be_learned_by_heart(recipe: TaptRecipe, encoder: SpeechEncoder) -> None:
    run = start_run(recipe, encoder)
    list(run.objective.prepare(encoder, CLIPS[:3]))
    batch = encoder.prepare([clip.load() for clip in CLIPS[:3]])
    losses = []
    for _ in range(30):
        loss = run.objective.loss(run.student, batch, (0, 1, 2), np.random.default_rng(0)).loss
        run.optimiser.zero_grad()
        loss.backward()
        run.optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_the_adapted_encoder_opens_in_transformers(recipe: TaptRecipe, encoder: SpeechEncoder, tmp_path: Path) -> None:
    import transformers

    run = start_run(recipe, encoder)
    with torch.no_grad():
        for parameter in run.student.parameters().values():
            parameter.add_(0.01)
    run.student.encoder.save(tmp_path / "adapted")
    assert transformers.AutoModel.from_pretrained(tmp_path / "adapted").config.model_type == encoder.family
    assert transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "adapted").sampling_rate == 16_000
    again = open_encoder(tmp_path / "adapted").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in run.student.encoder.state_dict().items())
    assert open_encoder(tmp_path / "adapted").digest != encoder.digest
