"""Nobody whom the encoder heard is tested on: looked at before anybody is asked, and again before training."""

from al_core.encoders import SpeechEncoder
from app.clips.leaks import LeakRefusedError, refuse_leaks
from app.jobs.context import JobContext
from app.models import Project
from tapt.heard import read_heard


def refuse_heard(context: JobContext, encoder: SpeechEncoder) -> None:
    """Refuse a job whose encoder was pretrained on audio of dev or test, as far as the encoder says.

    Raises:
        LeakRefusedError: also where parts of the project share a group without the encoder.
    """
    heard = read_heard(encoder.source) or frozenset()
    with context.db.read() as session:
        project = session.get_one(Project, context.claim.project_id)
        try:
            refuse_leaks(session, project, heard)
        except LeakRefusedError as error:
            if "tapt" not in error.extra["parts"]:
                raise
            why = f"encoder {encoder.source} was pretrained on audio of dev or test, whose figures would flatter it: "
            raise LeakRefusedError(why + error.detail, **error.extra) from error
