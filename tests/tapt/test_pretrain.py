import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from al_core.encoders import open_encoder
from al_core.features import Clip
from tapt.alarms import TaptCollapseError, TaptNaNError
from tapt.identity import TaptResumeError
from tapt.pretrain import TaptLeakError, TaptNoAudioError, pretrain, schedule
from tapt.recipe import Contrastive, LocalAttributes, MaskedUnits, Objective, TaptRecipe
from tapt.report import TaptReport
from tapt.resumable_state import TaptStateError, newest_state

RECIPE = TaptRecipe(
    objective=MaskedUnits(units=8), steps=6, seconds_per_step=5.0, learning_rate=1e-3, checkpoint_every=2, seed=3
)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return open_encoder(folder).state_dict()


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def stop_after(reports: Iterator[TaptReport], step: int) -> None:
    """Drop a run as a cancelled job does."""
    for report in reports:
        if report.stage == "train" and report.step == step:
            return


@dataclass(frozen=True)
class Unbroken:
    """A run of RECIPE that was seen through; the tests only read it."""

    folder: Path
    reports: list[TaptReport]


@pytest.fixture(scope="module")
def unbroken(open_tiny, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    return Unbroken(folder, list(pretrain(RECIPE, open_tiny("hubert"), clips, folder)))


def test_a_run_reports_its_stages_and_ends_with_a_folder_that_opens(open_tiny, unbroken: Unbroken) -> None:
    reports, folder = unbroken.reports, unbroken.folder
    stages = [report.stage for report in reports]
    assert stages == ["targets"] * 12 + ["train"] * 6 + ["done"]
    trained = reports[-2]
    assert trained.loss is not None
    assert trained.unit_perplexity is not None
    assert trained.units_used is not None
    assert 1 <= trained.unit_perplexity <= trained.units_used + 1 <= 9
    assert trained.seconds_audio > 6.0
    assert [report.folder for report in reports] == [None] * 18 + [folder]
    assert open_encoder(folder).digest != open_tiny("hubert").digest
    assert newest_state(folder) is None


def test_the_manifest_tells_what_made_the_encoder(open_tiny, unbroken: Unbroken) -> None:
    manifest = json.loads((unbroken.folder / "tapt.json").read_text(encoding="utf-8"))
    assert manifest["encoder_digest"] == open_tiny("hubert").digest
    assert manifest["recipe"]["objective"]["units"] == 8
    assert (manifest["clips"], manifest["steps"]) == (12, 6)
    assert [step for step, _ in manifest["loss"]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("stopped", [2, 3])
def test_a_stopped_run_ends_with_the_weights_of_an_unbroken_one(
    open_tiny, clips: list[Clip], unbroken: Unbroken, tmp_path: Path, stopped: int
) -> None:
    encoder = open_tiny("hubert")
    assert encoder.config.hidden_dropout > 0
    stop_after(pretrain(RECIPE, encoder, clips, tmp_path), stopped)
    torch.rand(7)  # whatever else the process draws makes no difference
    resumed = [r for r in pretrain(RECIPE, encoder, clips[::-1], tmp_path) if r.stage == "train"]
    assert [report.step for report in resumed] == [3, 4, 5, 6]
    assert equal(weights(unbroken.folder), weights(tmp_path))


def test_another_seed_gives_other_weights(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    for seed in (0, 1):
        list(
            pretrain(
                TaptRecipe(objective=MaskedUnits(units=8), steps=2, seconds_per_step=3.0, seed=seed),
                open_tiny("hubert"),
                clips,
                tmp_path / str(seed),
            )
        )
    assert not equal(weights(tmp_path / "0"), weights(tmp_path / "1"))


def test_global_randomness_is_left_as_it_was(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    encoder = open_tiny("wav2vec2")
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(5)
    np.random.seed(5)
    list(pretrain(RECIPE, encoder, clips, tmp_path))
    assert torch.equal(torch.rand(3), expected[0])
    assert (np.random.rand(3) == expected[1]).all()


def test_a_finished_folder_is_returned_as_it_is(open_tiny, clips: list[Clip], unbroken: Unbroken) -> None:
    assert list(pretrain(RECIPE, open_tiny("hubert"), clips, unbroken.folder)) == unbroken.reports[-1:]


def test_a_folder_killed_while_the_encoder_was_written_is_finished(
    open_tiny, clips: list[Clip], unbroken: Unbroken, tmp_path: Path
) -> None:
    encoder = open_tiny("hubert")
    stop_after(pretrain(RECIPE, encoder, clips, tmp_path), 6)
    (tmp_path / "model.safetensors").write_bytes(b"half of it")
    stages = [report.stage for report in pretrain(RECIPE, encoder, clips, tmp_path)]
    assert stages == ["done"]
    assert equal(weights(unbroken.folder), weights(tmp_path))


def test_a_folder_of_another_run_is_refused(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    stop_after(pretrain(RECIPE, open_tiny("hubert"), clips, tmp_path), 3)
    with pytest.raises(TaptResumeError, match="clips are others"):
        next(pretrain(RECIPE, open_tiny("hubert"), clips[1:], tmp_path))
    with pytest.raises(TaptResumeError, match="starting encoder is another"):
        next(pretrain(RECIPE, open_tiny("wavlm"), clips, tmp_path))


def test_held_out_clips_are_refused_by_name(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(
        TaptLeakError, match=r"2 recording\(s\) in more than one of tapt, test: 03, 07; .* tapt: 03, 07;"
    ):
        pretrain(RECIPE, open_tiny("hubert"), clips, tmp_path, held_out=["07", "03", "99"])
    with pytest.raises(TaptLeakError, match=r"12 recording\(s\) .*00, 01, .*09, …;"):
        pretrain(RECIPE, open_tiny("hubert"), clips, tmp_path, held_out={clip.key for clip in clips})
    assert list(tmp_path.iterdir()) == []


def test_no_clip_is_refused(open_tiny, tmp_path: Path) -> None:
    with pytest.raises(TaptNoAudioError, match="import"):
        pretrain(RECIPE, open_tiny("hubert"), [], tmp_path)


def test_the_same_audio_twice_counts_once(open_tiny, clips: list[Clip], tmp_path: Path) -> None:
    list(pretrain(replace(RECIPE, steps=1), open_tiny("hubert"), [*clips, clips[4]], tmp_path))
    assert json.loads((tmp_path / "tapt.json").read_text(encoding="utf-8"))["clips"] == 12


def test_audio_that_turns_to_nan_stops_the_run_and_the_last_state_stays(
    open_tiny, clips: list[Clip], tmp_path: Path
) -> None:
    # The disk gave good audio for two states, then NaN: every load after the fourth step is spoilt.
    spoilt = False

    def loaded(clip: Clip) -> np.ndarray:
        return np.full_like(clip.load(), np.nan) if spoilt else clip.load()

    fragile = [Clip(c.key, c.duration_s, None, lambda c=c: loaded(c)) for c in clips]
    reports = pretrain(RECIPE, open_tiny("hubert"), fragile, tmp_path)
    with pytest.raises(TaptNaNError, match=r"step 5: .*learning_rate"):
        for report in reports:
            spoilt = report.stage == "train" and report.step >= 4
    kept = newest_state(tmp_path)
    assert kept is not None
    assert kept.name == "step-00000004"


@pytest.mark.parametrize(
    "objective",
    [
        MaskedUnits(units=8),
        Contrastive(entries=8, negatives=10, diversity_weight=0.0),
        LocalAttributes(attributes=8, width=16, heads=4, learning_rate=30.0),
    ],
    ids=lambda objective: objective.kind,
)
def test_a_learning_rate_that_destroys_what_learns_stops_the_run_with_a_good_state(
    open_tiny, clips: list[Clip], tmp_path: Path, objective: Objective
) -> None:
    recipe = TaptRecipe(
        objective,
        steps=100,
        seconds_per_step=3.0,
        learning_rate=30.0,
        head_learning_rate=30.0,
        warmup_share=0.01,  # alarms are judged from `PATIENCE` steps after it
        checkpoint_every=5,
    )
    with pytest.raises((TaptCollapseError, TaptNaNError), match=r"step \d+: .*(lower|raise) "):
        list(pretrain(recipe, open_tiny("wav2vec2"), clips, tmp_path))
    kept = newest_state(tmp_path)
    assert kept is not None
    state = torch.load(kept / "state.pt", weights_only=True)
    assert all(weight.isfinite().all() for weight in (*state["student"].values(), *state["objective"].values()))


def test_an_encoder_that_cannot_be_written_is_a_named_error_and_a_retry_finishes(
    open_tiny, clips: list[Clip], tmp_path: Path
) -> None:
    encoder = open_tiny("hubert")
    (tmp_path / "config.json").mkdir()  # the encoder cannot be written over a folder
    with pytest.raises(TaptStateError, match="adapted encoder"):
        list(pretrain(RECIPE, encoder, clips, tmp_path))
    (tmp_path / "config.json").rmdir()
    assert [report.stage for report in pretrain(RECIPE, encoder, clips, tmp_path)] == ["done"]


def test_the_learning_rate_rises_then_falls_to_almost_nothing() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(1, 101)]
    assert rates[9] == max(rates) == 1.0
    assert rates == [*sorted(rates[:10]), *sorted(rates[10:], reverse=True)]
    assert 0 < rates[-1] < 0.02
