import numpy as np
import pytest
import torch

from al_core.features import Clip
from tapt.alarms import TaptCollapseError
from tapt.masked_units import MaskedUnitPrediction, UnitHead
from tapt.recipe import MaskedUnits, TaptRecipeError
from tapt.student import Student
from tapt.units import TaptUnitsError


def prepared(encoder, clips: list[Clip], recipe: MaskedUnits) -> MaskedUnitPrediction:
    objective = MaskedUnitPrediction(recipe, encoder, seconds_per_step=5.0, seed=0)
    list(objective.prepare(encoder, clips))
    return objective


def test_the_logits_are_cosines_over_the_temperature() -> None:
    torch.manual_seed(0)
    head = UnitHead(8, 5, temperature=0.1)
    frames = torch.randn(3, 8)
    projected, embeddings = head.projection(frames).detach(), head.embeddings.detach()
    literal = [[float(torch.cosine_similarity(h, e, dim=0)) / 0.1 for e in embeddings] for h in projected]
    assert torch.allclose(head(frames), torch.tensor(literal), atol=1e-5)


def test_the_loss_is_the_cross_entropy_at_hidden_frames_only(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("hubert")
    objective = prepared(encoder, clips, MaskedUnits(units=8, mask_share=0.3))
    student = Student(encoder, 0)
    student.encoder.eval()
    batch = encoder.prepare([clips[i].load() for i in (0, 5)])
    outcome = objective.loss(student, batch, (0, 5), np.random.default_rng(1))
    hidden_frames = outcome.wanted.sum()
    assert 0.15 < hidden_frames / sum(batch.lengths) < 0.45
    assert outcome.predicted.sum() == hidden_frames
    assert np.log(8) * 0.3 < outcome.loss.item() < 20


def test_the_middle_layer_is_rounded_up_and_its_units_are_the_targets(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("hubert")  # three blocks: the middle is 2
    middle, named = (prepared(encoder, clips, MaskedUnits(units=8, layer=layer)).state() for layer in (-1, 2))
    assert torch.equal(middle["targets"], named["targets"])


def test_the_front_end_can_be_clustered_too(open_tiny, clips: list[Clip]) -> None:
    assert len(prepared(open_tiny("whisper"), clips, MaskedUnits(units=8, layer=0)).state()["lengths"]) == 12


def test_a_clip_has_one_target_a_frame_in_the_order_of_the_clips(open_tiny, clips: list[Clip]) -> None:
    encoder = open_tiny("wav2vec2")
    lengths = prepared(encoder, clips, MaskedUnits(units=8)).state()["lengths"]
    assert lengths.tolist() == encoder.frame_counts([len(clip.load()) for clip in clips])


def test_too_little_audio_for_the_units_is_refused(open_tiny, clips: list[Clip]) -> None:
    with pytest.raises(TaptUnitsError, match="frames for 500 units"):
        prepared(open_tiny("hubert"), clips[:2], MaskedUnits(units=500))


def test_a_layer_that_does_not_exist_is_refused(open_tiny) -> None:
    with pytest.raises(TaptRecipeError, match=r"layer is 7.*has 3 blocks"):
        MaskedUnitPrediction(MaskedUnits(layer=7), open_tiny("hubert"), 5.0, 0)


def test_silence_has_no_targets_worth_learning(open_tiny) -> None:
    silent = [Clip(str(i), 4.0, None, lambda: np.zeros(64_000, dtype=np.float32)) for i in range(3)]
    with pytest.raises(TaptCollapseError, match="silence"):
        prepared(open_tiny("hubert"), silent, MaskedUnits(units=2, layer=0))
