"""The state of an arm: what it has, may pick from and asks, when a round opens or as a receipt kept it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.scheme import Scheme
from al_core.strategies.specs import Random, Strategy
from app.jobs.pool import pool_of_arm, sizes
from app.labels import service as labels
from app.labels.deciding import UNKNOWN
from app.models import Arm, ArmReceipt, Checkpoint, Project, Round
from app.specs import read_scheme, read_strategy


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled clips of an arm that have a class, in order of id. Without classes each counts under the number 0.

    Attributes:
        ids: of the clips.
        classes: positions in the scheme.
        dimensions: of each clip a value a dimension, on the scheme's own scales, NaN where unknown.
    """

    ids: tuple[int, ...]
    classes: tuple[int, ...]
    dimensions: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, own: Sequence[labels.Label], scheme: Scheme) -> "Labelled":
        """The labels as strategies see them."""
        known = [label for label in own if label.name is not None or not scheme.classes]
        unknown = (UNKNOWN,) * len(scheme.dimensions)
        return cls(
            tuple(label.clip_id for label in known),
            tuple(scheme.index(label.name) if label.name is not None and scheme.classes else 0 for label in known),
            tuple(label.dimensions or unknown for label in known),
        )

    def as_json(self) -> dict[str, Any]:
        """What a receipt stores: columns, in which null stands for NaN, which JSON has not."""
        values = [[None if math.isnan(value) else value for value in row] for row in self.dimensions]
        return {"ids": list(self.ids), "classes": list(self.classes), "dimensions": values}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Labelled":
        """The same, read again."""
        values = (tuple(UNKNOWN if value is None else value for value in row) for row in stored["dimensions"])
        return cls(tuple(stored["ids"]), tuple(stored["classes"]), tuple(values))


@dataclass(frozen=True, slots=True)
class ArmState:
    """What decides an arm's batch besides the audio, the encoder and the round's recipe.

    Attributes:
        arm: which.
        number: of the round.
        seed: of the round.
        strategy: the one to ask: `random` for the control arm, whatever the round's is.
        scheme: in which labels are told and classes predicted.
        size: how many clips it may pick.
        pool: ids it may pick from, in order.
        labelled: what it has.
        checkpoint: the classifier it may ask.
    """

    arm: Arm
    number: int
    seed: int
    strategy: Strategy
    scheme: Scheme
    size: int
    pool: tuple[int, ...]
    labelled: Labelled
    checkpoint: Checkpoint | None


def arms_now(session: Session, project: Project, turn: Round, training: list[int]) -> list[ArmState]:
    """The arms of a round that opens.

    Args:
        session: to read with.
        project: whose.
        turn: the round.
        training: ids of the training clips, in order.
    """
    scheme = read_scheme(project.scheme)
    known = {label.clip_id for label in labels.references(session, project.id, "train", scheme)}
    return [
        ArmState(
            arm=arm,
            number=turn.number,
            seed=turn.seed,
            strategy=read_strategy(turn.strategy) if arm == Arm.STRATEGY else Random(),
            scheme=scheme,
            size=size,
            pool=tuple(pool_of_arm(session, project.id, arm, training, known)),
            labelled=Labelled.of(labels.of_arm(session, project.id, arm, scheme), scheme),
            checkpoint=_newest(session, project.id, arm),
        )
        for arm, size in sizes(session, project, turn).items()
    ]


def _newest(session: Session, project_id: int, arm: Arm) -> Checkpoint | None:
    return session.scalars(
        select(Checkpoint)
        .where(Checkpoint.project_id == project_id, Checkpoint.arm == arm, Checkpoint.kind == "classifier")
        .order_by(Checkpoint.id.desc())
        .limit(1)
    ).one_or_none()


def arm_then(session: Session, turn: Round, receipt: ArmReceipt, training: Sequence[int]) -> ArmState:
    """The arm of a round as its receipt kept it; training clips or a checkpoint that went since are missing from it.

    Args:
        session: to read with.
        turn: the round.
        receipt: of the arm, with `outside` and `labelled` loaded.
        training: ids of the training clips there were, in order, as far as they are there still.
    """
    closed = from_runs(receipt.outside, training)
    return ArmState(
        arm=Arm(receipt.arm),
        number=turn.number,
        seed=receipt.seed,
        strategy=read_strategy(receipt.strategy),
        scheme=read_scheme(receipt.scheme),
        size=receipt.size,
        pool=tuple(i for i in training if i not in closed),
        labelled=Labelled.from_json(receipt.labelled),
        checkpoint=None if receipt.checkpoint_id is None else session.get(Checkpoint, receipt.checkpoint_id),
    )


def as_runs(members: Iterable[int], training: Sequence[int]) -> list[list[int]]:
    """The training clips that are members, as runs [first id, last id] in the order of the training clips."""
    wanted, runs, open_run = set(members), list[list[int]](), False
    for clip_id in training:
        if clip_id not in wanted:
            open_run = False
        elif open_run:
            runs[-1][1] = clip_id
        else:
            runs.append([clip_id, clip_id])
            open_run = True
    return runs


def from_runs(runs: Sequence[Sequence[int]], training: Sequence[int]) -> set[int]:
    """The training clips inside the runs; both in ascending order."""
    members: set[int] = set()
    place = 0
    for clip_id in training:
        while place < len(runs) and runs[place][1] < clip_id:
            place += 1
        if place < len(runs) and runs[place][0] <= clip_id:
            members.add(clip_id)
    return members
