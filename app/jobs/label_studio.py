"""label_studio: push the open round, pull what was answered, or take back what nobody answered."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

from app.db import Database
from app.imports.annotations import Report
from app.jobs.context import JobContext
from app.label_studio.pull import pull
from app.label_studio.push import Pushed, push, retract


def run(context: JobContext) -> None:
    """All three may run again: what a killed run did is found there or here."""
    do, allow_private = context.claim.payload["do"], context.settings.webhook_allow_private
    steps: dict[str, Callable[[Database, int, bool], Iterator[Pushed | Report]]]
    steps = {"push": push, "pull": pull, "retract": retract}
    last: Pushed | Report = Pushed()
    for last in steps[do](context.db, context.claim.project_id, allow_private):
        context.report(do, created=getattr(last, "created", 0))
    with context.conclude({"do": do} | asdict(last)):
        pass
