from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from al_core.encoders import open_encoder
from al_core.encoders.local_attributes import LocalAttributeEncoder
from al_core.features import Clip
from tapt.pretrain import pretrain
from tapt.randomness import Stream, drawn_from
from tapt.recipe import LocalAttributes, TaptRecipe, TaptRecipeError
from tapt.run_state import RunState, start_run
from tapt.share import Share
from tapt.units import TaptUnitsError

OBJECTIVE = LocalAttributes(attributes=8, width=16, heads=4, blocks=2)


def started(
    encoder, clips: list[Clip], folder: Path, objective: LocalAttributes = OBJECTIVE, steps: int = 10
) -> RunState:
    run = start_run(TaptRecipe(objective, steps=steps, seconds_per_step=4.0), encoder, clips, folder)
    list(run.objective.prepare(run.student, 1))
    return run


def step(run: RunState, positions: tuple[int, ...], number: int = 1) -> None:
    with drawn_from(0, Stream.DROPOUT, number, run.student.device):
        loss: Any = run.objective.loss(run.student, Share.of(positions, number, number), number).loss
    run.optimiser.zero_grad()
    loss.backward()
    run.optimiser.step()
    run.objective.after_step(number)


def part(run: RunState, name: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in run.objective.state().items() if k.startswith(f"{name}.")}


def test_the_teacher_follows_the_student_ever_more_slowly(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    objective = LocalAttributes(attributes=8, width=16, heads=4, blocks=2, ema_start=0.5, ema_end=0.9)
    run = started(open_tiny("hubert"), clips, tmp_path, objective, steps=5)
    for number, kept in ((1, 0.5), (5, 0.9)):
        before = part(run, "teacher")["teacher.project.weight"]
        step(run, (0, 1, 2), number)
        learned = part(run, "adapter")["adapter.project.weight"]
        literal = kept * before + (1 - kept) * learned
        assert torch.allclose(part(run, "teacher")["teacher.project.weight"], literal, atol=1e-6)
        assert not torch.allclose(before, learned, atol=1e-6)


def test_frames_are_standardised_over_the_audio(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    encoder = open_tiny("whisper")
    state = started(encoder, clips, tmp_path).objective.state()
    frames = []
    for clip in clips:
        with torch.no_grad():
            hidden, frame_mask = encoder.front_end(encoder.prepare([clip.load()]))
            frames.append(encoder.run(hidden, frame_mask, 0, 2)[-1][0])
    literal = torch.cat(frames)
    assert torch.allclose(state["adapter.mean"], literal.mean(0), atol=2e-3)
    assert torch.allclose(state["adapter.scale"], literal.std(0), rtol=2e-2)


def test_clusters_are_found_anew_after_every_pass_over_the_audio(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    run = started(open_tiny("hubert"), clips, tmp_path)
    before = run.objective.state()["units.centres"]
    step(run, tuple(range(7)), 1)
    assert not run.objective.due(2)
    step(run, tuple(range(7, 12)), 2)
    assert run.objective.due(3)
    list(run.objective.prepare(run.student, 3))
    assert not run.objective.due(3)
    assert not torch.equal(run.objective.state()["units.centres"], before)


def test_the_student_is_taught_what_the_teacher_sees_without_a_mask(
    open_tiny, clips: list[Clip], tmp_path: Path
) -> None:
    run = started(open_tiny("hubert"), clips, tmp_path)
    outcomes = []
    for batch in ((3,), (3, 9)):  # what a clip is beside changes neither its targets nor its loss
        with drawn_from(0, Stream.DROPOUT, 1, run.student.device):
            outcomes.append(run.objective.loss(run.student, Share.of(batch, 2, 1), 1))
    alone, together = outcomes
    assert (alone.wanted <= together.wanted).all()
    assert alone.wanted.sum() < together.wanted.sum()


def test_the_encoder_runs_once_a_clip(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    loaded: list[str] = []

    def load(clip: Clip) -> np.ndarray:
        loaded.append(clip.key)
        return clip.load()

    counted = [Clip(c.key, c.duration_s, None, lambda c=c: load(c)) for c in clips]
    recipe = TaptRecipe(OBJECTIVE, steps=12, seconds_per_step=5.0)
    *_, last = pretrain(recipe, open_tiny("hubert"), counted, tmp_path)
    assert sorted(loaded) == [clip.key for clip in clips]
    assert last.seconds_audio > 2 * sum(clip.duration_s for clip in clips)


def test_it_leaves_a_small_folder_that_opens_as_an_encoder(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    base = open_tiny("wav2vec2")
    list(pretrain(TaptRecipe(OBJECTIVE, steps=2), base, clips, tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"adapter.safetensors", "local_attributes.json", "tapt.json"}
    encoder = open_encoder(tmp_path)
    assert isinstance(encoder, LocalAttributeEncoder)
    assert (encoder.layer, encoder.n_layers, encoder.base.digest) == (2, 3, base.digest)


def test_a_layer_that_does_not_exist_is_refused(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(TaptRecipeError, match=r"objective\.layer is 7.*has 3 blocks"):
        started(open_tiny("hubert"), clips, tmp_path, LocalAttributes(layer=7))


def test_too_little_audio_for_the_clusters_is_refused(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(TaptUnitsError, match="frames for 400 units"):
        started(open_tiny("hubert"), clips[:2], tmp_path, LocalAttributes(attributes=400, width=16, heads=4))
