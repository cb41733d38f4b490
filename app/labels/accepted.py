"""What routing decided and still holds: a decision is about the answers it was made on, and no others."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.labels.given import Given
from app.models import ClipRoute


def standing(
    session: Session,
    project_id: int,
    answers: Mapping[int, Sequence[Given]],
    clip_ids: Collection[int] | None = None,
) -> dict[int, ClipRoute]:
    """Clip → the newest route that was decided on just these answers.

    Args:
        session: to read with.
        project_id: whose clips.
        answers: clip → the answers that count under the scheme in use.
        clip_ids: the clips to look at; None is all of the project.
    """
    wanted = select(ClipRoute).where(ClipRoute.project_id == project_id).order_by(ClipRoute.round_id)
    if clip_ids is not None:
        wanted = wanted.where(ClipRoute.clip_id.in_(clip_ids))
    return {route.clip_id: route for route in session.scalars(wanted) if holds(route, answers.get(route.clip_id, ()))}


def holds(route: ClipRoute, answers: Sequence[Given]) -> bool:
    """Whether the answers that count are those the route was decided on."""
    newest = max((given.annotation_id for given in answers), default=0)
    return (route.n_answers, route.annotation_id) == (len(answers), newest)


def accepted(
    session: Session,
    project_id: int,
    answers: Mapping[int, Sequence[Given]],
    clip_ids: Collection[int] | None = None,
) -> set[int]:
    """Clips accepted as ambiguous: they keep their distribution. One for which nobody named a class has none."""
    return {
        clip_id
        for clip_id, route in standing(session, project_id, answers, clip_ids).items()
        if route.decision == "ambiguous" and any(given.votes() for given in answers[clip_id])
    }
