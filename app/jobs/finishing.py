"""A recipe's finish in the service: the classifier that was not kept stays beside the other, and both are measured."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from al_core.checkpoint import CheckpointError, save_checkpoint
from al_core.classifier import Classifier
from al_core.evaluation.metrics import uar
from al_core.training.report import Finished
from app.jobs.classifiers import open_classifier
from app.jobs.context import JobContext
from app.jobs.measuring import Split, hear
from app.models import Checkpoint


def keep_other(data: Path, folder: str, finished: Finished | None, labels_digest: str) -> dict[str, Any]:
    """Save the classifier that was not kept as `<folder>-other`, and tell the comparison as a report keeps it.

    Args:
        data: the service's data folder.
        folder: of the kept classifier, relative to it.
        finished: of the run's last report; None without a finish, which reports nothing.
        labels_digest: of the labels both learnt from.
    """
    if finished is None:
        return {}
    told: dict[str, Any] = asdict(finished.comparison) | {"sentence": finished.comparison.sentence, "other": None}
    if finished.other is not None:
        told["other"] = f"{folder}-other"
        save_checkpoint(data / told["other"], finished.other, labels_digest)
    return {"finish": told}


def labels_alone(checkpoint: Checkpoint) -> str | None:
    """Folder of the classifier that learnt from labels alone, where the kept one learnt from believed clips too.

    None where the kept one is that classifier, or where an older report names no other.
    """
    told = checkpoint.report.get("finish") or {}
    folder: str | None = told.get("other") if told.get("kept") == "with" else None
    return folder


def compare_finish(context: JobContext, classifier: Classifier, checkpoint: Checkpoint, test: Split) -> dict[str, Any]:
    """A checkpoint's comparison, completed by the test UAR of both classifiers; empty where there are not two.

    Dev or the speakers decided which is kept: the test figures are told and decide nothing.
    """
    told = checkpoint.report.get("finish")
    if told is None or told.get("other") is None:
        return {}
    try:
        other = open_classifier(context, checkpoint, folder=told["other"])
    except CheckpointError as error:
        return {"finish": told | {"test": {"reason": f"the other classifier cannot be opened: {error}"}}}
    kept, lost = _uar(classifier, test), _uar(other, test)
    with_finish, without = (kept, lost) if told["kept"] == "with" else (lost, kept)
    return {"finish": told | {"test": {"uar_with": with_finish, "uar_without": without}}}


def _uar(classifier: Classifier, test: Split) -> float:
    known = test.truth.classes >= 0
    said = hear(classifier, test).probabilities.argmax(axis=1)
    return uar(test.truth.classes[known], said[known], len(test.scheme))
