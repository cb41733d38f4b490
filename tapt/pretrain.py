"""Task-adaptive pretraining: train an encoder on a project's own audio without labels, before any label is bought.

AFTER (Li et al., ASRU 2023, arXiv:2310.00283) puts this step before active learning. The loop knows nothing of its
objective beyond `RunningObjective`, and nothing of its encoder beyond `SpeechEncoder`.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from al_core.encoders import SpeechEncoder
from al_core.features import Clip
from al_core.leaks import ClipGroups, LeakError, check_leaks, recording_of
from al_core.processes.team import Team
from tapt.alarms import PATIENCE, check_collapse, check_finite, watch
from tapt.cached_frames import drop_frames
from tapt.errors import TaptError
from tapt.finished import read_finished, thin, write_finished
from tapt.gradients import StepOrder, find_gradients, follow
from tapt.identity import RunIdentity, identify
from tapt.minibatches import minibatches
from tapt.outcome import Outcome
from tapt.parallel import TAKE_OVER, assemble, n_processes
from tapt.recipe import TaptRecipe
from tapt.report import TaptReport
from tapt.resumable_state import drop_states, load_state, save_state
from tapt.run_state import RunState, start_run


class TaptLeakError(TaptError):
    """Held-out clips are among the clips to train on."""


class TaptNoAudioError(TaptError):
    """There is nothing to train on."""


def pretrain(
    recipe: TaptRecipe,
    encoder: SpeechEncoder,
    clips: Sequence[Clip],
    folder: Path,
    held_out: Collection[str] = (),
    processes: int | None = None,
) -> Iterator[TaptReport]:
    """Adapt `encoder` to `clips`; the last report names the finished encoder's folder.

    A run that was killed goes on from the last state in `folder` and ends, on a CPU with the same number of threads,
    with the weights of an unbroken run: order, masks and dropout of a step are drawn from (seed, step). The encoder
    passed in keeps its weights (it is put in eval mode), torch's global random state is left as it was. Clips with
    the same key count once; their order does not matter.

    Args:
        recipe: everything that decides the run.
        encoder: the starting encoder; a copy of it learns.
        clips: the audio to train on.
        folder: of the finished encoder; meanwhile it holds resumable states.
        held_out: keys of dev and test clips.
        processes: that share the work of each minibatch. By default one on a CPU, and one a GPU when the encoder lies
            on the first of several. It is no part of the recipe: the weights are the same up to the order of float32
            sums and to dropout.

    Returns:
        A generator of reports; nothing is computed before the first one is asked for. It raises TaptNaNError and
        TaptCollapseError when the run goes wrong, keeping the last good state; TaptResumeError when `folder` holds
        another run; TaptUnitsError, TaptRecipeError or TaptStudentError when the recipe does not fit the audio or the
        encoder; TaptStateError when a state or the encoder cannot be written or read; TaptProcessError when one of
        several processes cannot begin or ends.

    Raises:
        TaptLeakError: a held-out clip, or another window of its recording, is among `clips`.
        TaptNoAudioError: no clip.
        TaptProcessError: fewer than one process, or more than there are GPUs.
    """
    _refuse_leaks(clips, held_out)
    distinct = {clip.key: clip for clip in clips}
    if not distinct:
        raise TaptNoAudioError("there is no clip to adapt to: import unlabeled training audio first")
    identity = identify(recipe, encoder.digest, distinct.keys())
    n = n_processes(encoder, len(distinct), processes)
    return _pretrain(recipe, encoder.eval(), [distinct[key] for key in sorted(distinct)], folder, identity, n)


def _refuse_leaks(clips: Sequence[Clip], held_out: Collection[str]) -> None:
    heard = [ClipGroups(key, recording=recording_of(key)) for key in sorted({clip.key for clip in clips})]
    held = [ClipGroups(key, recording=recording_of(key)) for key in sorted(held_out)]
    try:
        check_leaks({"tapt": heard, "test": held})
    except LeakError as error:
        raise TaptLeakError(f"held-out recordings are among the audio to adapt to: {error}") from None


def _pretrain(
    recipe: TaptRecipe,
    encoder: SpeechEncoder,
    clips: Sequence[Clip],
    folder: Path,
    identity: RunIdentity,
    processes: int,
) -> Iterator[TaptReport]:
    finished = read_finished(folder)
    if finished is not None:
        identity.check_same(finished, str(folder))
        yield _finished_report(finished, folder)
        return
    packed = load_state(folder, identity)
    started = time.perf_counter() - (packed["seconds"] if packed else 0.0)
    run = start_run(recipe, encoder, clips, folder)
    if packed is not None:
        run.unpack(packed)
    if run.step < recipe.steps:
        with assemble(recipe, encoder, clips, folder, identity, processes) as team:
            yield from _steps(recipe, clips, folder, identity, run, team, started)
    manifest = _manifest(identity, encoder, clips, run)
    write_finished(folder, run.objective.adapted(run.student), manifest)
    drop_states(folder)
    drop_frames(folder)
    yield _finished_report(manifest, folder)


def _steps(
    recipe: TaptRecipe,
    clips: Sequence[Clip],
    folder: Path,
    identity: RunIdentity,
    run: RunState,
    team: Team,
    started: float,
) -> Iterator[TaptReport]:
    """From where the run stands to its last step."""
    durations = [clip.duration_s for clip in clips]
    order = minibatches(durations, recipe.seconds_per_step, recipe.seed, done=run.step)
    followed = False
    for positions in islice(order, recipe.steps - run.step):
        if run.objective.due(run.step + 1):
            followed = False
            for done, total in run.objective.prepare(run.student, run.step + 1):
                yield TaptReport("targets", done, total, seconds=time.perf_counter() - started)
            run.seconds = time.perf_counter() - started
            save_state(folder, identity, run.step, run.pack())
        if not followed:  # after the state was written, for none may be replaced while it is read
            team.tell(TAKE_OVER)
            followed = True
        outcome = _step(recipe, run, StepOrder(run.step + 1, positions), team)
        run.seconds_audio += sum(durations[i] for i in positions)
        run.seconds = time.perf_counter() - started
        if run.step % recipe.checkpoint_every == 0 or run.step == recipe.steps:
            save_state(folder, identity, run.step, run.pack())
        yield _step_report(recipe, run, outcome)


def _step(recipe: TaptRecipe, run: RunState, order: StepOrder, team: Team) -> Outcome:
    """One optimiser step."""
    step = order.step
    team.tell(order)
    outcome = find_gradients(recipe, run, order, team.ranks)
    loss = outcome.loss.item()
    learning = [parameter for group in run.optimiser.param_groups for parameter in group["params"]]
    check_finite(step, loss, nn.utils.clip_grad_norm_(learning, recipe.clip_norm).item())
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * schedule(step, recipe.steps, recipe.warmup_share)
    run.optimiser.step()
    follow(run, order, team.ranks)
    run.losses.append(loss)
    run.units_used = int((outcome.predicted > 0).sum())
    run.vitals = watch(run.vitals, loss, outcome.predicted, outcome.wanted, outcome.rank)
    if step >= round(recipe.steps * recipe.warmup_share) + PATIENCE:
        check_collapse(run.vitals, run.objective.advice)
    return outcome


def schedule(step: int, steps: int, warmup_share: float) -> float:
    """Share of the peak learning rate at a step counted from 1: linear warm-up to 1, then linear decay towards 0.

    >>> [schedule(step, steps=5, warmup_share=0.4) for step in (1, 2, 3, 4, 5)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = round(steps * warmup_share)
    return min(step / max(warmup, 1), (steps - step + 1) / (steps - warmup + 1))


def _step_report(recipe: TaptRecipe, run: RunState, outcome: Outcome) -> TaptReport:
    return TaptReport(
        stage="train",
        step=run.step,
        steps=recipe.steps,
        loss=run.losses[-1],
        accuracy=outcome.accuracy,
        unit_perplexity=run.vitals.predicted,
        target_perplexity=run.vitals.wanted,
        embedding_rank=run.vitals.rank,
        units_used=run.units_used,
        seconds_audio=run.seconds_audio,
        seconds=run.seconds,
    )


def _manifest(identity: RunIdentity, encoder: SpeechEncoder, clips: Sequence[Clip], run: RunState) -> dict[str, Any]:
    return {
        "recipe": identity.recipe,
        "encoder": encoder.source,
        "encoder_digest": identity.encoder_digest,
        "clips": len(clips),
        "clips_digest": identity.clips_digest,
        "steps": run.step,
        "loss": thin(run.losses),
        "unit_perplexity": run.vitals.predicted,
        "target_perplexity": run.vitals.wanted,
        "embedding_rank": run.vitals.rank,
        "units_used": run.units_used,
        "seconds_audio": run.seconds_audio,
        "seconds": run.seconds,
    }


def _finished_report(manifest: dict[str, Any], folder: Path) -> TaptReport:
    return TaptReport(
        stage="done",
        step=manifest["steps"],
        steps=manifest["steps"],
        loss=manifest["loss"][-1][1],
        unit_perplexity=manifest["unit_perplexity"],
        target_perplexity=manifest.get("target_perplexity"),  # manifests from before it was measured
        embedding_rank=manifest.get("embedding_rank"),
        units_used=manifest["units_used"],
        seconds_audio=manifest["seconds_audio"],
        seconds=manifest["seconds"],
        folder=folder,
    )
