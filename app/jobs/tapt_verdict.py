"""The verdict on an adapted encoder: a probe on the project's labels of train and dev, before and after."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from al_core.encoders import SpeechEncoder
from al_core.encoders.outline import resolve_layers
from al_core.features import FeatureError
from al_core.peft.specs import Probe
from al_core.recipe import Recipe, RecipeError
from al_core.scheme import Scheme
from app import models
from app.db import utcnow
from app.jobs.context import JobContext
from app.jobs.labelled import labelled_clips
from app.labels import service as labels
from app.specs import read_recipe, read_scheme
from tapt.evaluate import EvaluationPlan, EvaluationReport, compare
from tapt.evaluate_folds import LabelledSpeech, TaptEvaluationError
from tapt.paired import Paired
from tapt.promotion import Figure, Guard, Judged, judge

LEARNT_FROM = ("train", "dev")


def give_verdict(
    context: JobContext,
    guard: Guard,
    before: SpeechEncoder,
    after: SpeechEncoder,
    heard: Collection[str],
    against: int | None,
) -> dict[str, Any]:
    """Compare, judge, and tell it as a checkpoint's report keeps it; what cannot be measured is told, not raised.

    Args:
        context: of the job, which is told how far the comparison is.
        guard: how the adapted encoder is judged.
        before: the encoder it would take the place of.
        after: the adapted encoder.
        heard: keys of the clips it was adapted to.
        against: the checkpoint of `before`; None for the encoder the operator named.
    """
    project = context.project()
    recipe, scheme = probe_of(read_recipe(project.recipe)), read_scheme(project.scheme)
    figure: Figure = "UAR" if scheme.classes else "CCC"
    told: dict[str, Any] = {"figure": figure, "against": against, "notes": []}
    found: Paired | str
    try:
        _, read = (resolve_layers(recipe, encoder.outline) for encoder in (before, after))
        told["layers"] = list(read)  # of the adapted encoder, which may have a block more
        speech = _speech(context, scheme, guard.least_labels)
        told |= {"labels": len(speech.known), "speakers": len(set(speech.groups) - {None})}
        plan = EvaluationPlan(recipe, (recipe.layer,), seeds=guard.seeds)
        last: EvaluationReport | None = None
        for last in compare(plan, before, after, speech, heard, context.store):
            context.report(f"compare: {last.stage}", done=last.done, total=last.total)
        assert last is not None and last.result is not None, "the last report carries the result"
        found, told["notes"] = last.result.rows[0].paired, list(last.result.notes)
        told |= asdict(found)
        judged = judge(guard, found, figure)
    except RecipeError as error:  # the project could not read it: no request puts it to use
        judged = Judged("unmeasured", False, f"not measured: {error}; change the project's recipe to use the encoder")
    except (TaptEvaluationError, FeatureError) as error:
        judged = judge(guard, str(error), figure)
    told |= {"guard": asdict(guard), "judged_at": utcnow().isoformat(), "job_id": context.claim.job_id}
    return asdict(judged) | told


def probe_of(recipe: Recipe) -> Recipe:
    """The probe that stands for a project's recipe: its layer, pooling and normalisation."""
    if isinstance(recipe.method, Probe):
        return recipe
    pooling = "mean_std" if recipe.pooling == "attentive" else recipe.pooling
    return Recipe(layer=recipe.layer, pooling=pooling, class_weighted=recipe.class_weighted)


def _speech(context: JobContext, scheme: Scheme, least: int) -> LabelledSpeech:
    """The labelled clips of train and dev: people's labels first, then what the import said.

    Raises:
        TaptEvaluationError: too few of them, or a class that none of them has.
    """
    project_id = context.claim.project_id
    splits = {split: context.clips(split) for split in LEARNT_FROM}
    clips = {clip_id: clip for of_split in splits.values() for clip_id, clip in of_split.items()}
    with context.db.read() as session:
        own = {label.clip_id: label for label in labels.of_project(session, project_id) if label.clip_id in clips}
        for split in LEARNT_FROM:
            for label in labels.references(session, project_id, split, scheme):
                own.setdefault(label.clip_id, label)
        wanted = select(models.Clip.id, models.Clip.session, models.Clip.speaker)
        rows = session.execute(wanted.where(models.Clip.project_id == project_id)).all()
    known = [own[clip_id] for clip_id in sorted(own)]
    if len(known) < least:
        raise TaptEvaluationError(
            f"{len(known)} clips of train and dev have a label and {least} are needed: label more, then measure again"
        )
    lacking = [name for name in scheme.classes if name not in {label.name for label in known}]
    if lacking:
        raise TaptEvaluationError(f"no labelled clip of train and dev is {', '.join(lacking)}: label some")
    groups = {clip_id: of_session or speaker for clip_id, of_session, speaker in rows}
    split_of = {clip_id: split for split, of_split in splits.items() for clip_id in of_split}
    return LabelledSpeech(
        scheme=scheme,
        known=labelled_clips(known, clips, scheme),
        groups=tuple(groups[label.clip_id] for label in known),
        splits=tuple("dev" if split_of[label.clip_id] == "dev" else "train" for label in known),
    )


def with_verdict(report: dict[str, Any], verdict: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's report with one more verdict, the newest last."""
    return report | {"verdicts": [*report.get("verdicts", []), verdict]}
