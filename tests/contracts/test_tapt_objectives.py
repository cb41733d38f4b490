"""One body for every TAPT objective over every encoder family, and over every scope."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.local_attributes import WapTransformer
from al_core.encoders.tiny import TINY_FAMILIES, build_tiny
from al_core.features import Clip
from tapt.outcome import Outcome
from tapt.pretrain import pretrain
from tapt.randomness import Stream, drawn_from
from tapt.recipe import (
    Contrastive,
    Everything,
    FeedForwardLora,
    LastBlocks,
    LocalAttributes,
    MaskedUnits,
    Objective,
    Scope,
    TaptRecipe,
)
from tapt.run_state import RunState, start_run
from tapt.share import Share

OBJECTIVES: list[Objective] = [
    MaskedUnits(units=12),
    Contrastive(groups=2, entries=8, negatives=10, quantiser_warmup_share=0.0),
    LocalAttributes(attributes=12, width=16, heads=4, blocks=2, learning_rate=1e-3),
]
SCOPES: list[Scope] = [Everything(), Everything(front_end=True), LastBlocks(k=1), FeedForwardLora(rank=4)]
HARD = [  # what each objective does over several steps: stages, a warm-up, clusters found anew
    MaskedUnits(units=12, layers=(1, 2), predicted_at=(2, -1), stages=2),
    MaskedUnits(units=12, stages=2, first_units="mfcc", visible_weight=0.5),
    Contrastive(groups=2, entries=8, negatives=10, quantiser_warmup_share=0.34),
    LocalAttributes(attributes=12, width=16, heads=4, blocks=2, ema_start=0.9, ema_end=0.99),
]


def babble(seed: int, seconds: float) -> np.ndarray:
    """Noise whose colour changes every tenth of a second."""
    rng = np.random.default_rng(seed)
    tilts = np.repeat(rng.choice([0.0, 0.5, 0.9, -0.9], size=round(10 * seconds)), 1600)
    noise = rng.standard_normal(len(tilts) + 1)
    return (0.1 * (noise[1:] + tilts * noise[:-1])).astype(np.float32)


CLIPS = [Clip(f"{i}", 0.8 + 0.1 * i, None, partial(babble, i, 0.8 + 0.1 * i)) for i in range(8)]


@pytest.fixture(scope="module", params=TINY_FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


@pytest.fixture(scope="module", params=["wavlm", "whisper"])
def one_of_two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    """For what takes seconds: a waveform family and the other one."""
    return open_encoder(build_tiny(request.param, tmp_path_factory.mktemp("tiny") / request.param))


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    return open_encoder(build_tiny("hubert", tmp_path_factory.mktemp("tiny") / "hubert"))


@pytest.fixture(params=OBJECTIVES, ids=lambda objective: objective.kind)
def recipe(request: pytest.FixtureRequest) -> TaptRecipe:
    scope: Scope = Everything() if isinstance(request.param, LocalAttributes) else LastBlocks(k=2)
    return TaptRecipe(objective=request.param, seconds_per_step=4.0, learning_rate=3e-3, scope=scope)


def prepared(recipe: TaptRecipe, encoder: SpeechEncoder, folder: Path) -> RunState:
    run = start_run(recipe, encoder, CLIPS, folder)
    assert run.objective.due(1)
    list(run.objective.prepare(run.student, 1))
    assert not run.objective.due(1)
    return run


def loss_of(run: RunState, positions: tuple[int, ...], seed: int = 0) -> Outcome:
    with drawn_from(seed, Stream.DROPOUT, 1, run.student.device):
        return run.objective.loss(run.student, Share.of(positions, seed, 1), 1)


def equal(first: SpeechEncoder, second: SpeechEncoder) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_every_objective_is_under_this_contract() -> None:
    assert {type(objective) for objective in OBJECTIVES} == set(get_args(Objective))
    assert {type(objective) for objective in HARD} == set(get_args(Objective))
    assert {type(scope) for scope in SCOPES} == set(get_args(Scope))


def test_preparing_tells_how_far_it_is_and_ends_whole(
    recipe: TaptRecipe, one_of_two: SpeechEncoder, tmp_path: Path
) -> None:
    run = start_run(recipe, one_of_two, CLIPS, tmp_path)
    told = list(run.objective.prepare(run.student, 1))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_the_loss_teaches_the_learning_blocks_and_the_new_parameters(
    recipe: TaptRecipe, encoder: SpeechEncoder, tmp_path: Path
) -> None:
    run = prepared(recipe, encoder, tmp_path)
    outcome = loss_of(run, (0, 3, 5))
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert 0 <= outcome.accuracy <= 1
    assert outcome.predicted.shape == outcome.wanted.shape
    assert outcome.predicted.sum() == outcome.wanted.sum() > 0
    assert outcome.rank >= 1
    for parameter in run.objective.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    for i, block in enumerate(run.student.encoder.blocks):
        moved = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in block.parameters()]
        assert any(moved) == (i >= run.student.first)


def test_a_restored_objective_gives_the_same_loss(
    recipe: TaptRecipe, one_of_two: SpeechEncoder, tmp_path: Path
) -> None:
    first = prepared(recipe, one_of_two, tmp_path)
    second = start_run(TaptRecipe(objective=recipe.objective, scope=recipe.scope, seed=9), one_of_two, CLIPS, tmp_path)
    second.student.restore(first.student.state())
    second.objective.restore(first.objective.state(), second.student)
    assert not second.objective.due(1)
    assert loss_of(first, (1, 2)).loss.item() == loss_of(second, (1, 2)).loss.item()


def test_one_minibatch_can_be_learned_by_heart(recipe: TaptRecipe, one_of_two: SpeechEncoder, tmp_path: Path) -> None:
    run = prepared(recipe, one_of_two, tmp_path)
    losses = []
    for _ in range(14):
        loss: Any = loss_of(run, (0, 1, 2)).loss
        run.optimiser.zero_grad()
        loss.backward()
        run.optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.92 * losses[0]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.kind)
def test_only_hidden_frames_count(hubert: SpeechEncoder, objective: Objective, tmp_path: Path) -> None:
    """No gradient reaches what the top makes of a frame that the student was shown."""
    if isinstance(objective, LocalAttributes):  # the distillation beside it looks at whole clips
        objective = replace(objective, distillation_weight=0.0)
    run = prepared(TaptRecipe(objective=objective), hubert, tmp_path)
    kept: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if module is run.student.encoder.blocks[-1] or (isinstance(module, WapTransformer) and module.training):
            kept.append(output[0] if isinstance(output, tuple) else output)
            if kept[-1].requires_grad:
                kept[-1].retain_grad()

    with torch.nn.modules.module.register_module_forward_hook(keep):
        outcome = loss_of(run, (2, 6))
    loss: Any = outcome.loss
    loss.backward()
    assert kept[0].grad is not None
    reached = kept[0].grad.abs().amax(-1) > 0  # (b, f)
    assert int(reached.sum()) == int(outcome.wanted[0].sum())
    assert 0 < int(reached.sum()) < sum(hubert.frame_counts([len(CLIPS[i].load()) for i in (2, 6)]))


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: f"{scope.kind}-{getattr(scope, 'front_end', '')}")
def test_the_adapted_encoder_opens_in_transformers_and_computes_what_the_student_does(
    encoder: SpeechEncoder, scope: Scope, tmp_path: Path
) -> None:
    import transformers

    run = start_run(TaptRecipe(scope=scope), encoder, CLIPS, tmp_path)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in run.student.parameters().values():
            parameter.add_(0.02 * torch.randn_like(parameter))
    adapted = run.student.adapted()
    adapted.save(tmp_path / "adapted")
    assert transformers.AutoModel.from_pretrained(tmp_path / "adapted").config.model_type == encoder.family
    again = open_encoder(tmp_path / "adapted")
    assert again.state_dict().keys() == encoder.state_dict().keys()
    assert again.digest == adapted.digest != encoder.digest
    run.student.encoder.eval()
    batch = encoder.prepare([CLIPS[i].load() for i in (0, 5)])
    nothing = np.zeros((2, max(batch.lengths)), dtype=np.bool_)
    with torch.no_grad():
        (learned,) = run.student.states(batch, nothing, [encoder.n_layers])
        hidden, frame_mask = again.front_end(batch)
        opened = again.run(hidden, frame_mask)[-1]
    assert (learned - opened)[frame_mask].abs().max() < 1e-5
    assert any(not torch.equal(a, b) for a, b in zip(again.parameters(), encoder.parameters(), strict=True))


def hard_recipes() -> Iterator[TaptRecipe]:
    for objective in HARD:
        from_scratch = isinstance(objective, MaskedUnits) and objective.first_units == "mfcc"
        for scope in (
            SCOPES[:1] if isinstance(objective, LocalAttributes) else SCOPES[1:2] if from_scratch else SCOPES[1:]
        ):
            yield TaptRecipe(
                objective=objective, scope=scope, steps=6, seconds_per_step=5.0, learning_rate=1e-3, checkpoint_every=2
            )


@pytest.mark.parametrize("hard", list(hard_recipes()), ids=lambda one: f"{one.objective.kind}-{one.scope.kind}")
def test_a_run_stopped_early_and_again_late_ends_with_the_weights_of_an_unbroken_one(
    hubert: SpeechEncoder, hard: TaptRecipe, tmp_path: Path
) -> None:
    assert hubert.config.hidden_dropout > 0
    before = {name: weight.clone() for name, weight in hubert.state_dict().items()}
    list(pretrain(hard, hubert, CLIPS, tmp_path / "unbroken"))
    for stopped in (1, 5):  # before the first regular state, and between two
        for report in pretrain(hard, hubert, CLIPS, tmp_path / "broken"):
            if report.stage == "train" and report.step == stopped:
                break
        torch.rand(7)  # whatever else the process draws makes no difference
    last = list(pretrain(hard, hubert, CLIPS[::-1], tmp_path / "broken"))[-1]
    assert last.folder == tmp_path / "broken"
    assert equal(open_encoder(tmp_path / "unbroken"), open_encoder(tmp_path / "broken"))
    assert open_encoder(tmp_path / "broken").digest != hubert.digest
    assert all(torch.equal(before[name], weight) for name, weight in hubert.state_dict().items())
    assert not (tmp_path / "broken" / "frames").exists()


@pytest.mark.parametrize("objective", HARD, ids=lambda objective: objective.kind)
def test_bfloat16_learns_nearly_the_same(hubert: SpeechEncoder, objective: Objective, tmp_path: Path) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        recipe = TaptRecipe(objective=objective, steps=3, seconds_per_step=5.0, precision=precision)
        reports = list(pretrain(recipe, hubert, CLIPS, tmp_path / precision))
        losses[precision] = [report.loss for report in reports if report.stage == "train"]
    assert losses["bf16"] != losses["fp32"]
    assert np.allclose(losses["bf16"], losses["fp32"], rtol=0.05)


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Clip]:
    """Twenty-four clips of real speech."""
    from al_core.corpora.read import read_corpus
    from tapt.corpus_clips import corpus_clips

    corpus = read_corpus(shared / "data" / "emodb-2s" / "manifest.csv")
    few = [row for row in corpus.clips if row.split == "train"][:24]
    return list(corpus_clips(replace(corpus, clips=tuple(few)), "train").clips)


REAL = [
    ("whisper-tiny.en", TaptRecipe(MaskedUnits(), steps=14, learning_rate=1e-4)),
    ("whisper-tiny.en", TaptRecipe(LocalAttributes(), steps=14)),
    *(
        (
            name,
            TaptRecipe(
                Contrastive(quantiser_warmup_share=0.0), steps=steps, learning_rate=3e-4, head_learning_rate=3e-3
            ),
        )
        for name, steps in (("whisper-tiny.en", 14), ("mini-hubert", 30))
    ),
]


@pytest.mark.parametrize(("name", "recipe"), REAL, ids=lambda one: one if isinstance(one, str) else one.objective.kind)
def test_a_real_encoder_learns_from_real_speech(
    shared: Path, speech: list[Clip], tmp_path: Path, name: str, recipe: TaptRecipe
) -> None:
    encoder = open_encoder(shared / "encoders" / name)
    reports = list(pretrain(replace(recipe, seconds_per_step=6.0), encoder, speech, tmp_path))
    losses = [report.loss for report in reports if report.stage == "train" and report.loss is not None]
    assert np.mean(losses[-5:]) < np.mean(losses[:3]) - 0.05
    assert reports[-1].embedding_rank is not None
    assert reports[-1].embedding_rank > 4
    assert open_encoder(tmp_path).digest != encoder.digest
