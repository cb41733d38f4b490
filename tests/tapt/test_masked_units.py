from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.features import Clip
from tapt.alarms import TaptCollapseError
from tapt.masked_units import UnitHead
from tapt.outcome import Outcome
from tapt.recipe import Everything, LastBlocks, MaskedUnits, Scope, TaptRecipe, TaptRecipeError
from tapt.run_state import RunState, start_run
from tapt.share import Share
from tapt.student import TaptStudentError
from tapt.units import TaptUnitsError


def prepared(
    encoder, clips: list[Clip], objective: MaskedUnits, scope: Scope | None = None, steps: int = 100
) -> RunState:
    recipe = TaptRecipe(objective, scope=scope or Everything(), steps=steps)
    run = start_run(recipe, encoder, clips, Path("unused"))
    list(run.objective.prepare(run.student, 1))
    return run


def loss_of(run: RunState, positions: tuple[int, ...], seed: int = 1) -> Outcome:
    run.student.encoder.eval()
    return run.objective.loss(run.student, Share.of(positions, seed, 1), 1)


def test_the_logits_are_cosines_over_the_temperature() -> None:
    torch.manual_seed(0)
    head = UnitHead(8, 5, temperature=0.1)
    frames = torch.randn(3, 8)
    projected, embeddings = head.projection(frames).detach(), head.embeddings.detach()
    literal = [[float(torch.cosine_similarity(h, e, dim=0)) / 0.1 for e in embeddings] for h in projected]
    assert torch.allclose(head(frames), torch.tensor(literal), atol=1e-5)


def test_the_loss_is_the_cross_entropy_at_hidden_frames_only(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("hubert")
    run = prepared(encoder, clips, MaskedUnits(units=8, mask_share=0.3))
    outcome = loss_of(run, (0, 5))
    hidden_frames = outcome.wanted.sum()
    assert 0.15 < hidden_frames / sum(encoder.frame_counts([len(clips[i].load()) for i in (0, 5)])) < 0.45
    assert outcome.predicted.sum() == hidden_frames
    assert np.log(8) * 0.3 < outcome.loss.item() < 20


def test_every_layer_has_units_of_its_own_and_every_place_predicts_them(open_tiny, clips: list[Clip]) -> None:
    objective = MaskedUnits(units=8, layers=(1, 3), predicted_at=(2, -1))
    run = prepared(open_tiny("hubert"), clips, objective)
    outcome = loss_of(run, (0, 5))
    assert outcome.wanted.shape == (4, 8)
    assert (outcome.wanted[:2] == outcome.wanted[2:]).all()
    assert (outcome.wanted[0] != outcome.wanted[1]).any()
    single = [
        loss_of(prepared(open_tiny("hubert"), clips, MaskedUnits(units=8, layers=(layer,))), (0, 5)).wanted[0]
        for layer in (1, 3)
    ]
    assert (outcome.wanted[:2] == np.stack(single)).all()


def test_the_middle_layer_is_rounded_up_and_its_units_are_the_targets(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("hubert")  # three blocks: the middle is 2
    middle, named = (prepared(encoder, clips, MaskedUnits(units=8, layers=(layer,))) for layer in (-1, 2))
    assert (loss_of(middle, (0, 5)).wanted == loss_of(named, (0, 5)).wanted).all()


def test_the_front_end_can_be_clustered_too(open_tiny, clips: list[Clip]) -> None:
    run = prepared(open_tiny("whisper"), clips, MaskedUnits(units=8, layers=(0,)))
    assert (loss_of(run, (1, 2)).wanted > 0).sum() > 2


def test_a_clip_has_the_same_targets_whoever_is_beside_it(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("wav2vec2")
    first, second = (prepared(encoder, clips, MaskedUnits(units=8)) for _ in range(2))
    loss_of(first, (3, 4, 11))
    assert (loss_of(first, (4,)).wanted == loss_of(second, (4,)).wanted).all()


def test_a_stage_finds_its_units_in_the_student_as_it_is_by_then(open_tiny, clips: list[Clip]) -> None:
    run = prepared(open_tiny("hubert"), clips, MaskedUnits(units=8, stages=3), steps=7)
    assert [step for step in range(1, 8) if run.objective.due(step)] == [4, 5, 6, 7]
    before = run.objective.state()
    with torch.no_grad():
        for weight in run.student.parameters().values():
            weight.add_(0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    list(run.objective.prepare(run.student, 4))
    after = run.objective.state()
    assert not torch.equal(before["units.0.mean"], after["units.0.mean"])
    assert [step for step in range(4, 8) if run.objective.due(step)] == [6, 7]
    frozen = loss_of(run, (0, 5)).wanted
    with torch.no_grad():
        for weight in run.student.parameters().values():
            weight.mul_(0.5)
    assert (loss_of(run, (0, 5)).wanted == frozen).all()


def test_the_first_stage_of_cepstra_ignores_the_encoder_and_the_second_does_not(open_tiny, clips: list[Clip]) -> None:
    objective = MaskedUnits(units=8, stages=2, first_units="mfcc")
    first, other = (prepared(open_tiny(family), clips, objective) for family in ("hubert", "wav2vec2"))
    wanted = loss_of(first, (0, 5)).wanted
    assert (wanted == loss_of(other, (0, 5)).wanted).all()
    assert first.objective.state()["units.0.centres"].shape == (8, 39)
    for run in (first, other):
        list(run.objective.prepare(run.student, 51))
    assert first.objective.state()["units.0.centres"].shape == (8, 32)
    assert (loss_of(first, (0, 5)).wanted != loss_of(other, (0, 5)).wanted).any()


def test_visible_frames_add_their_own_cross_entropy_by_its_weight(open_tiny, clips: list[Clip]) -> None:
    def loss(weight: float, mask_share: float = 0.4) -> float:
        torch.manual_seed(0)  # of the heads
        run = prepared(open_tiny("hubert"), clips, MaskedUnits(units=8, visible_weight=weight, mask_share=mask_share))
        return loss_of(run, (0, 5)).loss.item()

    none, half, whole = loss(0.0), loss(0.5), loss(1.0)
    assert half - none == pytest.approx((whole - none) / 2, rel=1e-4)
    assert whole - none > 0.3 * np.log(8)  # a mean over frames of its own, not a share of the hidden ones'


def test_too_little_audio_for_the_units_is_refused(open_tiny, clips: list[Clip]) -> None:
    with pytest.raises(TaptUnitsError, match="frames for 500 units"):
        prepared(open_tiny("hubert"), clips[:2], MaskedUnits(units=500))


def test_a_clip_of_one_frame_is_refused_by_name(open_tiny, clips: list[Clip]) -> None:
    short = Clip("short", 0.03, None, lambda: np.zeros(480, dtype=np.float32))
    with pytest.raises(TaptUnitsError, match="clip short has a single frame"):
        prepared(open_tiny("hubert"), [*clips, short], MaskedUnits(units=8))


@pytest.mark.parametrize(("field", "state"), [("layers", 7), ("predicted_at", 4)])
def test_a_layer_that_does_not_exist_is_refused(open_tiny, clips: list[Clip], field: str, state: int) -> None:
    with pytest.raises(TaptRecipeError, match=rf"objective\.{field} holds {state}.*has 3 blocks"):
        prepared(open_tiny("hubert"), clips, MaskedUnits(**{field: (state,)}))


def test_predicting_below_everything_that_learns_is_refused(open_tiny, clips: list[Clip]) -> None:
    with pytest.raises(TaptStudentError, match="predicted_at"):
        prepared(open_tiny("hubert"), clips, MaskedUnits(units=8, predicted_at=(2,)), LastBlocks(k=1))


def test_silence_has_no_targets_worth_learning(open_tiny) -> None:
    silent = [Clip(str(i), 4.0, None, lambda: np.zeros(64_000, dtype=np.float32)) for i in range(3)]
    with pytest.raises(TaptCollapseError, match="silence"):
        prepared(open_tiny("hubert"), silent, MaskedUnits(units=3, layers=(0,)))
