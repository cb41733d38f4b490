"""What a file calls a clip → the project's clip."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidError
from app.imports.incoming import ClipName
from app.models import Clip

_NEAR_S = 0.002  # windows are kept to the millisecond


class ClipUnknownError(InvalidError):
    """The project has no such clip, or the names given mean two."""

    name = "unknown_clip"


def find(session: Session, project_id: int, named: ClipName) -> int:
    """The clip's id: by its external id, else by its asset and window, else by our own id.

    Raises:
        ClipUnknownError: there is none, there are several, or the names contradict each other.
    """
    found = _candidates(session, project_id, named)
    if len(found) == 1:
        return found[0]
    told = named.external_id or named.asset_sha256 or f"clip {named.clip_id}"
    if found:
        raise ClipUnknownError(f"{told!r} is {len(found)} clips here: give start_s and end_s, or external_id")
    raise ClipUnknownError(f"{told!r} is no clip of this project: import its audio first")


def _candidates(session: Session, project_id: int, named: ClipName) -> list[int]:
    wanted = select(Clip.id, Clip.asset_sha256).where(Clip.project_id == project_id)
    if named.external_id is not None:
        by_name = session.execute(wanted.where(Clip.external_id == named.external_id)).first()
        if by_name is not None and named.asset_sha256 not in (None, by_name.asset_sha256):
            raise ClipUnknownError(f"{named.external_id!r} is other audio here: leave out external_id or asset_sha256")
        if by_name is not None:
            return [by_name.id]
    if named.asset_sha256 is not None:
        wanted = wanted.where(Clip.asset_sha256 == named.asset_sha256)
        if named.start_s is not None:
            wanted = wanted.where(Clip.start_s.between(named.start_s - _NEAR_S, named.start_s + _NEAR_S))
        if named.end_s is not None:
            wanted = wanted.where(Clip.end_s.between(named.end_s - _NEAR_S, named.end_s + _NEAR_S))
        return [row.id for row in session.execute(wanted.limit(2))]
    if named.external_id is None and named.clip_id is not None:
        return [row.id for row in session.execute(wanted.where(Clip.id == named.clip_id))]
    return []
