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
from tapt.alarms import PATIENCE, check_collapse, check_finite, watch
from tapt.cached_frames import drop_frames
from tapt.errors import TaptError
from tapt.finished import read_finished, thin, write_finished
from tapt.identity import RunIdentity, identify
from tapt.minibatches import minibatches
from tapt.outcome import Outcome
from tapt.randomness import Stream, drawn_from, generator
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

    Returns:
        A generator of reports; nothing is computed before the first one is asked for. It raises TaptNaNError and
        TaptCollapseError when the run goes wrong, keeping the last good state; TaptResumeError when `folder` holds
        another run; TaptUnitsError, TaptRecipeError or TaptStudentError when the recipe does not fit the audio or the
        encoder; TaptStateError when a state or the encoder cannot be written or read.

    Raises:
        TaptLeakError: a held-out clip is among `clips`.
        TaptNoAudioError: no clip.
    """
    _refuse_leaks(clips, held_out)
    distinct = {clip.key: clip for clip in clips}
    if not distinct:
        raise TaptNoAudioError("there is no clip to adapt to: import unlabeled training audio first")
    identity = identify(recipe, encoder.digest, distinct.keys())
    return _pretrain(recipe, encoder.eval(), [distinct[key] for key in sorted(distinct)], folder, identity)


def _refuse_leaks(clips: Sequence[Clip], held_out: Collection[str]) -> None:
    leaked = sorted({clip.key for clip in clips} & set(held_out))
    if leaked:
        named = ", ".join(leaked[:10]) + (", …" if len(leaked) > 10 else "")
        raise TaptLeakError(f"{len(leaked)} held-out clips are among the audio to adapt to: {named}; leave them out")


def _pretrain(
    recipe: TaptRecipe, encoder: SpeechEncoder, clips: Sequence[Clip], folder: Path, identity: RunIdentity
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
    durations = [clip.duration_s for clip in clips]
    order = minibatches(durations, recipe.seconds_per_step, recipe.seed, done=run.step)
    for positions in islice(order, recipe.steps - run.step):
        if run.objective.due(run.step + 1):
            for done, total in run.objective.prepare(run.student, run.step + 1):
                yield TaptReport("targets", done, total, seconds=time.perf_counter() - started)
            run.seconds = time.perf_counter() - started
            save_state(folder, identity, run.step, run.pack())
        outcome = _step(recipe, run, positions)
        run.seconds_audio += sum(durations[i] for i in positions)
        run.seconds = time.perf_counter() - started
        if run.step % recipe.checkpoint_every == 0 or run.step == recipe.steps:
            save_state(folder, identity, run.step, run.pack())
        yield _step_report(recipe, run, outcome)
    manifest = _manifest(identity, encoder, clips, run)
    write_finished(folder, run.objective.adapted(run.student), manifest)
    drop_states(folder)
    drop_frames(folder)
    yield _finished_report(manifest, folder)


def _step(recipe: TaptRecipe, run: RunState, positions: Sequence[int]) -> Outcome:
    """One optimiser step on the clips at `positions`."""
    step = run.step + 1
    run.optimiser.zero_grad(set_to_none=True)
    with drawn_from(recipe.seed, Stream.DROPOUT, step, run.student.device):
        outcome = run.objective.loss(run.student, positions, generator(recipe.seed, Stream.MASKS, step), step)
        outcome.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if not run.objective.moves_encoder(step):
        for parameter in run.student.parameters().values():
            parameter.grad = None
    loss = outcome.loss.item()
    learning = [parameter for group in run.optimiser.param_groups for parameter in group["params"]]
    check_finite(step, loss, nn.utils.clip_grad_norm_(learning, recipe.clip_norm).item())
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * schedule(step, recipe.steps, recipe.warmup_share)
    run.optimiser.step()
    run.objective.after_step(step)
    run.step = step
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
