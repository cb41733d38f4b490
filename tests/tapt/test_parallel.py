"""Two processes give the weights of one, whatever the objective adds up."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
import soundfile
import torch

from al_core.audio import decode
from al_core.encoders import SpeechEncoder, open_encoder
from al_core.encoders.tiny import build_tiny
from al_core.features import Clip
from al_core.processes import team
from tapt import parallel
from tapt.parallel import TaptProcessError
from tapt.pretrain import pretrain
from tapt.recipe import Contrastive, Everything, LastBlocks, LocalAttributes, MaskedUnits, Objective, TaptRecipe
from tapt.report import TaptReport
from tapt.resumable_state import newest_state
from tapt.share import Share, part_of_common

OBJECTIVES: list[Objective] = [
    MaskedUnits(units=8, stages=2, first_units="mfcc", visible_weight=0.5),
    Contrastive(entries=8, negatives=10, quantiser_warmup_share=0.34, diversity_weight=1.0),
    LocalAttributes(attributes=8, width=16, heads=4, blocks=1, dropout=0.0, distillation_weight=1.0, ema_start=0.5),
]


def recipe_of(objective: Objective) -> TaptRecipe:
    scope = Everything() if isinstance(objective, LocalAttributes) else LastBlocks(k=1)
    return TaptRecipe(
        objective, scope=scope, steps=4, seconds_per_step=4.0, learning_rate=1e-3, checkpoint_every=1, seed=1
    )


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> SpeechEncoder:
    """It drops nothing: dropout alone is drawn differently by several processes."""
    return open_encoder(build_tiny("whisper", tmp_path_factory.mktemp("tiny") / "whisper", width=16, n_layers=2))


@pytest.fixture
def heard(clips: list[Clip], tmp_path: Path) -> list[Clip]:
    """Files, which any process can read; one is longer than a minibatch, and alone in it."""
    spoken = [clips[i].load() for i in (0, 1, 9, 11)]
    waveforms = [*spoken, np.concatenate(spoken)[: round(4.5 * 16_000)]]
    for i, waveform in enumerate(waveforms):
        soundfile.write(tmp_path / f"{i}.wav", waveform, 16_000, subtype="FLOAT")
    return [
        Clip(f"{i}", len(w) / 16_000, None, partial(decode, tmp_path / f"{i}.wav")) for i, w in enumerate(waveforms)
    ]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Popen[bytes]]:
    """The further processes that were started."""
    processes: list[Popen[bytes]] = []
    spawn = team.spawn

    def noted(module: str) -> Popen[bytes]:
        processes.append(spawn(module))
        return processes[-1]

    monkeypatch.setattr(team, "spawn", noted)
    return processes


def steps(reports: Iterator[TaptReport]) -> Iterator[TaptReport]:
    return (report for report in reports if report.stage == "train")


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.kind)
def test_two_processes_end_with_the_losses_and_weights_of_one_and_a_death_leaves_the_last_state(
    whisper: SpeechEncoder, heard: list[Clip], objective: Objective, tmp_path: Path, started: list[Popen[bytes]]
) -> None:
    """Four steps: one by one process, whose state tells the second one all it needs; two by both; one after a death."""
    recipe, folder = recipe_of(objective), tmp_path / "together"
    alone = list(steps(pretrain(recipe, whisper, heard, tmp_path / "alone")))
    broken = pretrain(recipe, whisper, heard, folder, processes=1)
    told = [next(steps(broken))]
    broken.close()
    assert started == []
    shared = pretrain(recipe, whisper, heard, folder, processes=2)
    told += [next(steps(shared)), next(steps(shared))]
    started[0].kill()
    with pytest.raises(TaptProcessError, match="a further process ended early"):
        list(shared)
    assert not torch.distributed.is_initialized()
    kept = newest_state(folder)
    assert kept is not None
    assert kept.name == "step-00000003"
    told += steps(pretrain(recipe, whisper, heard, folder))
    for own, together in zip(alone, told, strict=True):
        assert together.loss == pytest.approx(own.loss, rel=1e-4)
        assert together.accuracy == pytest.approx(own.accuracy, abs=0.02)
        assert (together.step, together.units_used, together.seconds_audio) == (
            own.step, own.units_used, own.seconds_audio,
        )  # fmt: skip
    ours, theirs = (open_encoder(place).state_dict() for place in (tmp_path / "alone", folder))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_number_of_processes_that_cannot_be_is_refused(
    whisper: SpeechEncoder, clips: list[Clip], tmp_path: Path
) -> None:
    with pytest.raises(TaptProcessError, match="processes is 0"):
        pretrain(recipe_of(MaskedUnits(units=8)), whisper, clips, tmp_path, processes=0)
    assert parallel.n_processes(whisper, 5, None) == 1
    assert parallel.n_processes(whisper, 5, 9) == 5


class Pair:
    """The first or the second of two processes, the other's figures given."""

    def __init__(self, rank: int, other: torch.Tensor) -> None:
        self.rank, self.other = rank, other

    def shares(self, positions: list[int]) -> list[list[int]]:
        return [positions[0::2], positions[1::2]]

    def total(self, own: torch.Tensor) -> torch.Tensor:
        return own.detach() + self.other


def test_a_share_is_what_it_would_be_of_the_whole_minibatch() -> None:
    whole = Share.of([4, 7, 5], seed=3, step=2)
    second = Share.of([4, 7, 5], 3, 2, Pair(1, torch.tensor([2.0])))  # type: ignore[arg-type]  # what a share asks for
    assert (whole.positions, second.positions, second.minibatch) == ([4, 7, 5], [7], [4, 7, 5])
    assert second.rngs[0].random() == whole.rngs[1].random()
    assert (whole.weight(5), second.weight(6)) == (1.0, 0.75)


def test_a_process_without_a_clip_weighs_nothing() -> None:
    idle = Share.of([4], 3, 2, Pair(1, torch.tensor([5.0])))  # type: ignore[arg-type]
    assert (idle.positions, idle.idle, idle.weight(6)) == ([4], True, 0.0)


def test_a_term_of_the_whole_minibatch_has_its_value_once_and_its_gradient_in_parts() -> None:
    """Two processes with 1 and 3 frames: f(mean) and its gradient, as one process has them."""
    means = [torch.tensor([0.2], requires_grad=True), torch.tensor([0.6], requires_grad=True)]
    weights, total = [0.25, 0.75], 0.0
    for rank, (own, weight) in enumerate(zip(means, weights, strict=True)):
        other = weights[1 - rank] * means[1 - rank].detach()
        term = part_of_common(Share([0], [0], [], Pair(rank, other)).mean(own, weight) ** 2, weight)  # type: ignore[arg-type]
        term.backward()  # type: ignore[no-untyped-call]
        total += term.item()
    assert total == pytest.approx(0.5**2)
    assert [mean.grad.item() for mean in means if mean.grad is not None] == pytest.approx([0.25, 0.75])
