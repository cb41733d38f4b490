"""examine: a checkpoint on one split, clean, under noise, and between groups; kept in the checkpoint's report."""

from typing import Any

from al_core.evaluation.evaluate import evaluate
from al_core.features import Clip, FeatureStore
from al_core.noise import NoiseError, noisy, open_recordings
from app.db import utcnow
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.figures import figures_of
from app.jobs.measuring import Split, compare_groups, hear, read_split
from app.jobs.runs import drop_run, run_folder, sweep_runs
from app.models import Checkpoint


def run(context: JobContext) -> None:
    """Examine and store: a split that was examined before has only the newest figures."""
    sweep_runs(context)
    payload = context.claim.payload
    name, ratios = payload["split"], payload["snr_db"]
    with context.db.read() as session:
        checkpoint = session.get_one(Checkpoint, payload["checkpoint_id"])
    split = read_split(context, name)
    context.report("examine", done=0, total=len(ratios) + 1)
    heard = hear(open_classifier(context, checkpoint), split)
    clean = evaluate(heard, split.truth, split.speakers, split.scheme)
    groups, warnings = compare_groups(context, heard, split, context.project().fairness)
    result: dict[str, Any] = {
        "split": name,
        "clean": figures_of(clean, split.scheme),
        "recordings": payload.get("recordings", False),
        "noise": _under_noise(context, checkpoint, split, ratios) if ratios else [],
        "fairness": groups,
        "warnings": warnings,
        "job_id": context.claim.job_id,
        "examined_at": utcnow().isoformat(),
    }
    with context.conclude(result) as session:
        row = session.get_one(Checkpoint, checkpoint.id, with_for_update=True)
        row.report = row.report | {"examinations": row.report.get("examinations", {}) | {name: result}}
    drop_run(context)


def _under_noise(
    context: JobContext, checkpoint: Checkpoint, split: Split, ratios: list[float]
) -> list[dict[str, Any]]:
    """Figures at each signal-to-noise ratio. Features of noise are nobody else's: they go when the job ends."""
    classifier = open_classifier(context, checkpoint, FeatureStore(run_folder(context) / "noise"))
    recordings = _recordings(context) if context.claim.payload.get("recordings") else None
    found: list[dict[str, Any]] = []
    for snr_db in ratios:
        context.report("examine", done=len(found) + 1, total=len(ratios) + 1, snr_db=snr_db)
        heard = classifier.predict(noisy(split.clips, snr_db, recordings, seed=0))
        figures = figures_of(evaluate(heard, split.truth, split.speakers, split.scheme), split.scheme)
        found.append({"snr_db": snr_db} | figures)
    return found


def _recordings(context: JobContext) -> tuple[Clip, ...]:
    """This worker's recordings of noise; NoiseError when it has none."""
    if context.settings.noise is None:
        raise NoiseError("this worker has no recordings of noise: name their folder in AFTERLOOP_NOISE")
    return open_recordings(context.settings.noise)
