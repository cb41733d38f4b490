"""Where the heavy work of a job runs: the boundary between the worker, which imports no science, and what does."""

from typing import Literal, Protocol

from app.jobs.queue import Claim

Outcome = Literal["ended", "died"]


class Executor(Protocol):
    """Runs one job at a time somewhere else. What runs there writes progress, results and errors by its fence."""

    def start(self, claim: Claim) -> None:
        """Begin a job; the one before must have ended or been killed."""
        ...

    def wait(self, seconds: float) -> Outcome | None:
        """Whether the job has ended or its process died; None when it still runs after `seconds`."""
        ...

    def kill(self) -> None:
        """Stop the job at once, wherever it is: its writes are refused by its fence or were committed whole."""
        ...

    def close(self) -> None:
        """Stop everything."""
        ...
