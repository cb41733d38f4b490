"""When a run writes its state, and whose state it is."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from al_core.peft.first_stage import digest_of
from al_core.recipe import recipe_to_dict
from al_core.resumable_state import StateError, differences, load_state, save_state
from al_core.targets import LabelledClips, labels_digest
from al_core.training.errors import TrainError, TrainResumeError
from al_core.training.progress import Progress
from al_core.training.run import Run

EVERY_S = 300.0
SHARE = 0.1


@dataclass(slots=True)
class StateFolder:
    """Where a run leaves its state: after every epoch, within an epoch every five minutes, and always at its end.

    Before its end, writing never takes more than a tenth of the time: a state that took three seconds is followed by
    none for thirty.
    When the disk is full training goes on, because hours of work are worth more than the state that would protect
    them: the sentence is told once, the last state that could be written is kept, and the next is tried when due.

    Attributes:
        folder: None to keep no state.
        identity: of the run.
        wrote_at: when the last state was written, on the clock of `time.monotonic`.
        took_s: how long that took.
    """

    folder: Path | None
    identity: dict[str, Any]
    wrote_at: float
    took_s: float = 0.0

    @classmethod
    def of(cls, run: Run) -> "StateFolder":
        """The folder the run was given."""
        return cls(run.state, identify(run) if run.state else {}, time.monotonic())

    def load(self) -> dict[str, Any] | None:
        """What a run of the same identity left, or None.

        Raises:
            TrainResumeError: another run left it; the sentence says what differs.
            TrainError: it cannot be read.
        """
        if self.folder is None:
            return None
        try:
            return load_state(self.folder, self._check_same)
        except StateError as error:
            raise TrainError(str(error)) from error

    def write_when_due(self, progress: Progress, ended: Literal["step", "epoch", "run"]) -> str | None:
        """Write the state if it is time for it; returns why it could not be written, if so."""
        since = time.monotonic() - self.wrote_at
        due = ended == "run" or (since * SHARE >= self.took_s and (ended == "epoch" or since >= EVERY_S))
        if self.folder is None or not due:
            return None
        began = time.monotonic()
        try:
            save_state(self.folder, self.identity, progress.step, progress.pack())
        except StateError as error:
            return f"{error}. Training goes on; killed now, it would resume from the state before"
        finally:
            self.wrote_at = time.monotonic()
            self.took_s = self.wrote_at - began
        return None

    def _check_same(self, stored: Mapping[str, Any]) -> None:
        found = differences(stored.get("recipe", {}), self.identity["recipe"])
        for name, sentence in (
            ("scheme", "the scheme is another one"),
            ("encoder", "the encoder is another one"),
            ("train", "the training labels are others"),
            ("dev", "the dev labels are others"),
            ("first", "the first stage is another one"),
        ):
            if stored.get(name) != self.identity[name]:
                found.append(sentence)
        if found:
            raise TrainResumeError(
                f"{self.folder} holds another run: {'; '.join(found)}. Choose another folder, or delete this one"
            )


def identify(run: Run) -> dict[str, Any]:
    """What makes two runs the same run, as plain JSON values: with these equal they end with the same weights."""
    plain: dict[str, Any] = json.loads(
        json.dumps(
            {
                "recipe": recipe_to_dict(run.recipe),
                "scheme": asdict(run.scheme),
                "encoder": run.encoder.digest,
                "train": _digest(run.train),
                "dev": None if run.dev is None else _digest(run.dev),
                "first": None if run.first is None else digest_of(run.first),
            }
        )
    )
    return plain


def _digest(labelled: LabelledClips) -> str:
    return labels_digest([clip.key for clip in labelled.clips], labelled.mass, labelled.dimensions)
