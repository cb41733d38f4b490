"""What was answered in Label Studio, as answers here: idempotent, so a pull, a webhook and a second pull add up.

An answer takes one of the round's assignments, as an annotator's lease would; one that is changed over there later is
appended here as a revision.
"""

from collections.abc import Iterator
from itertools import islice

from app.db import Database
from app.imports.annotations import ROWS_A_BATCH, Report, commit
from app.imports.people import People
from app.imports.theirs import read_tasks
from app.label_studio.client import LabelStudio
from app.label_studio.service import link_of
from app.label_studio.taking import with_guesses
from app.models import LabelStudioLink


def pull(database: Database, project_id: int, allow_private: bool = False) -> Iterator[Report]:
    """Take everything that was answered there; the last report is complete.

    Raises:
        NotFoundError: there is no such project, or it is not connected.
        LabelStudioError: the server cannot be asked, or refuses.
    """
    with database.read() as session:
        link = link_of(session, project_id)
    there = LabelStudio(link.url, link.token, allow_private).signed_in()
    names = there.people()
    with database.write() as session:
        session.get_one(LabelStudioLink, link.id).people = {str(number): name for number, name in names.items()}
    people, report = People({}, make=True), Report()
    yield report
    with there.exported(link.their_project) as stream:
        rows = read_tasks(stream, names)
        while batch := list(islice(rows, ROWS_A_BATCH)):
            report = commit(database, project_id, with_guesses(database, link.id, batch), people, report)
            yield report
