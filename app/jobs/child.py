"""The child process of the local executor: `python -m app.jobs.child`, started by `app.jobs.local` and nobody else."""

import ctypes
import errno
import json
import logging
import os
import queue as queues
import signal
import sys
import threading
from typing import BinaryIO, TextIO

from sqlalchemy.exc import DBAPIError

from app.db import Database, utcnow
from app.jobs import kinds, queue
from app.jobs.context import JobContext
from app.jobs.queue import Claim, LeaseLostError
from app.settings import Settings

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
LONGEST_DETAIL = 2000


def main() -> None:
    """Run jobs until the parent is gone."""
    _die_with_parent(int(os.environ["AFTERLOOP_PARENT"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides what stops
    replies, sys.stdout = _take_stdout()
    lines: queues.SimpleQueue[bytes] = queues.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, lines), daemon=True).start()
    settings = Settings.model_validate_json(lines.get())
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = Database(settings.url)
    while True:
        claim = Claim(**json.loads(lines.get()))
        run_job(settings, database, claim)
        replies.write(f"{claim.job_id}\n")
        replies.flush()


def run_job(settings: Settings, database: Database, claim: Claim) -> None:
    """Run one job; whatever goes wrong becomes its named error."""
    log.info("job %s (%s): begins", claim.job_id, claim.kind)
    try:
        kinds.run(JobContext(settings, database, claim))
        log.info("job %s (%s): ends", claim.job_id, claim.kind)
    except LeaseLostError as lost:
        log.warning("%s", lost)
    except Exception as error:  # the one place where a job's failure is told: nobody else would see it
        log.exception("job %s (%s) failed", claim.job_id, claim.kind)
        name, detail = describe(error)
        try:
            with database.write() as session:
                queue.fail(session, claim.job_id, claim.fence, name, detail, now=utcnow())
        except LeaseLostError as lost:
            log.warning("%s", lost)


def describe(error: Exception) -> tuple[str, str]:
    """An error's name and sentence, as the job shows them."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return "DiskFullError", f"no space left on the disk{where}: free some, then retry"
    if isinstance(error, DBAPIError):  # its own text would quote the whole statement with its values
        return type(error).__name__, f"the database refused: {error.orig}"[:LONGEST_DETAIL]
    return type(error).__name__, (str(error) or repr(error))[:LONGEST_DETAIL]


def _read(stdin: BinaryIO, lines: "queues.SimpleQueue[bytes]") -> None:
    for line in stdin:
        lines.put(line)
    os._exit(0)  # the parent closed the pipe or died: there is nobody left to work for


def _take_stdout() -> tuple[TextIO, TextIO]:
    """The pipe to the parent, and standard error in its place for whatever a library prints."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies, sys.stderr


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(0)


if __name__ == "__main__":
    main()
