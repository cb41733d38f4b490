"""What routing reads besides a clip's own answers: all of the project's listeners, and what the model does not know."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from al_core.agreement import Estimate
from app.labels.deciding import counted, estimated, estimator_of, rulings
from app.labels.given import by_clip
from app.labels.mapping import Translation
from app.models import Guess

SHARE = 100  # of the time: learning anew takes at most a hundredth of it


@dataclass(frozen=True, slots=True)
class _Learned:
    """An estimate of a whole project, and until when it is good enough (seconds of the monotonic clock)."""

    crowd: Estimate
    until: float


_learned: "WeakKeyDictionary[Engine | Connection, dict[int, _Learned]]" = WeakKeyDictionary()


def crowd_of(session: Session, project_id: int, way: Translation) -> Estimate:
    """The estimate of all of the project's answers, of which a clip's routing takes the listeners and annotators.

    It changes slowly and takes long, so it is kept in the process: learned again when the estimator or the classes
    changed, and after a hundred times the seconds it took. Somebody must have answered.
    """
    of_database = _learned.setdefault(session.get_bind(), {})
    held = of_database.get(project_id)
    wanted = (estimator_of(session, project_id), way.scheme.classes)
    good = held is not None and (held.crowd.estimator, held.crowd.classes) == wanted
    if held is not None and good and time.monotonic() < held.until:
        return held.crowd
    begun = time.monotonic()
    answers = by_clip(counted(session, project_id, way))
    made = estimated(session, project_id, way, answers, rulings(session, project_id, way))
    assert made is not None, "an answer that says something of the class was just stored"
    now = time.monotonic()
    of_database[project_id] = _Learned(made, now + SHARE * (now - begun))
    return made


def uncertainty(session: Session, clip_id: int, crowd: Estimate) -> tuple[float, int | None]:
    """What the model does not know about a clip, in [0, 1], and the checkpoint that says so.

    H(p) / log c of the stored guess over the crowd's c classes, an upper bound of its epistemic part; without a guess
    over just these classes p are the base rates of the project's answers: what one knows who has not heard the clip.
    """
    guess = session.execute(
        select(Guess.checkpoint_id, Guess.probabilities).where(Guess.clip_id == clip_id)
    ).one_or_none()
    if guess is not None and guess.probabilities.keys() == set(crowd.classes):
        return _entropy(guess.probabilities.values()), guess.checkpoint_id
    return _entropy(crowd.listeners[:-1].tolist()), None


def _entropy(shares: Iterable[float]) -> float:
    """Shannon's, of shares that need not sum to 1, over that of equal ones; 1 for a single class."""
    values = list(shares)
    whole = sum(values)
    if len(values) < 2 or whole <= 0:
        return 1.0
    parts = [value / whole for value in values if value > 0]
    return -sum(part * math.log(part) for part in parts) / math.log(len(values))
