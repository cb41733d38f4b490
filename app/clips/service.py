"""What can be done with clips. The functions flush and never commit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from al_core.scheme import Scheme, SchemeError
from app.clips.ingest import CheckedAudio
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import Asset, Clip, Project


class ClipConflictError(ConflictError):
    """The project has this clip with other particulars, or another clip under this name."""


class GroupSplitError(ConflictError):
    """Other clips of its speaker, session or recording are in another split: results would be inflated.

    Attributes:
        kind: speaker, session or recording.
    """

    def __init__(self, detail: str, kind: str, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is known of a clip besides its audio. None means: not said, and so does an absent attribute."""

    external_id: str | None = None
    speaker: str | None = None
    session: str | None = None
    gender: str | None = None
    text: str | None = None
    split: str | None = None
    reference_label: str | None = None
    reference_dimensions: Mapping[str, float] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def check_label(scheme: Scheme, label: str | None) -> None:
    """InvalidError when a label is not in the scheme."""
    try:
        if label is not None:
            scheme.index(label)
    except SchemeError as error:
        raise InvalidError(f"label: {error}", code="unknown_label") from error


def check_dimensions(scheme: Scheme, values: Mapping[str, float] | None) -> None:
    """InvalidError when a value is of no dimension of the scheme, or outside its range."""
    ranges = {dimension.name: dimension for dimension in scheme.dimensions}
    for name, value in (values or {}).items():
        if name not in ranges:
            known = ", ".join(ranges) or "none"
            raise InvalidError(f"dimensions: unknown dimension {name!r}: the scheme has {known}", code="unknown_label")
        low, high = ranges[name].low, ranges[name].high
        if not low <= value <= high:
            sentence = f"dimensions: {name} is {value:g}: the scheme's range is {low:g} to {high:g}"
            raise InvalidError(sentence, code="out_of_range")


def lock_project(session: Session, project_id: int) -> Project:
    """The project, its clips changed by nobody else until the commit; NotFoundError when there is none."""
    statement = select(Project).where(Project.id == project_id).with_for_update(key_share=True)
    project = session.scalar(statement)
    if project is None:
        raise NotFoundError(f"there is no project {project_id}")
    return project


def add_clip(
    session: Session,
    project_id: int,
    checked: CheckedAudio,
    said: Particulars,
    now: datetime,
    default_split: str = "train",
) -> tuple[Clip, bool]:
    """The project's clip of this audio, and whether it is new. The project must be locked.

    A clip that is there already must agree with everything that is said of it; what is not said is not compared, and
    attributes it lacks are added.

    Raises:
        ClipConflictError: it does not agree (`differs` says where), or another clip has its external id.
        GroupSplitError: its speaker, session or recording has clips in another split.
    """
    clip = find_clip(session, project_id, checked.sha256, checked.start_s, checked.end_s)
    if clip is not None:
        settle_known(clip, said)
        return clip, False
    _refuse_taken_name(session, project_id, said)
    split = said.split or default_split
    _refuse_leak(session, project_id, checked.sha256, said, split)
    _add_asset(session, checked, now)
    clip = Clip(
        project_id=project_id,
        asset_sha256=checked.sha256,
        start_s=checked.start_s,
        end_s=checked.end_s,
        playback_sha256=checked.playback_sha256,
        playback_type=checked.playback_type,
        peaks=checked.peaks,
        created_at=now,
        **(asdict(said) | {"split": split}),
    )
    session.add(clip)
    session.flush()
    return clip, True


def find_clip(session: Session, project_id: int, sha256: str, start_s: float, end_s: float) -> Clip | None:
    """The project's clip of exactly this window, or None."""
    same = (Clip.project_id == project_id, Clip.asset_sha256 == sha256, Clip.start_s == start_s, Clip.end_s == end_s)
    return session.scalar(select(Clip).where(*same))


def settle_known(clip: Clip, said: Particulars) -> None:
    """Keep the attributes a clip of the session has not yet, once it agrees with everything else that is said of it.

    Raises:
        ClipConflictError: it does not agree; `differs`: field → {"have", "given"}.
    """
    differs: dict[str, Any] = {
        name: {"have": getattr(clip, name), "given": given}
        for name, given in asdict(said).items()
        if name != "attributes" and given is not None and given != getattr(clip, name)
    }
    if "external_id" not in differs:  # under another name the further columns are another row's
        differs |= {
            name: {"have": clip.attributes[name], "given": given}
            for name, given in said.attributes.items()
            if clip.attributes.get(name, given) != given
        }
    if differs:
        raise ClipConflictError(
            f"clip {clip.id} is this audio with another {', '.join(differs)}: send what it has, or leave it out",
            clip_id=clip.id,
            differs=differs,
        )
    if not said.attributes.keys() <= clip.attributes.keys():
        clip.attributes = {**clip.attributes, **said.attributes}  # a new object: JSON columns do not see changes inside


def speaker_splits(session: Session, project_id: int) -> dict[str, str]:
    """The split of every speaker the project knows."""
    rows = session.execute(
        select(Clip.speaker, Clip.split).where(Clip.project_id == project_id, Clip.speaker.is_not(None)).distinct()
    )
    return {speaker: split for speaker, split in rows if speaker is not None}


def get_clip(session: Session, clip_id: int) -> Clip:
    """The clip; NotFoundError when there is none."""
    clip = session.get(Clip, clip_id)
    if clip is None:
        raise NotFoundError(f"there is no clip {clip_id}")
    return clip


def recording_s(session: Session, clip: Clip) -> float:
    """Seconds of the recording that the clip is a window of."""
    return session.execute(select(Asset.duration_s).where(Asset.sha256 == clip.asset_sha256)).scalar_one()


def list_clips(
    session: Session, project_id: int, split: str | None = None, after: int = 0, limit: int = 1000
) -> Sequence[Clip]:
    """A project's clips in order of id."""
    statement = select(Clip).where(Clip.project_id == project_id, Clip.id > after).order_by(Clip.id).limit(limit)
    return session.scalars(statement if split is None else statement.where(Clip.split == split)).all()


def _refuse_taken_name(session: Session, project_id: int, said: Particulars) -> None:
    if said.external_id is None:
        return
    taken = select(Clip.id).where(Clip.project_id == project_id, Clip.external_id == said.external_id)
    clip_id = session.scalar(taken)
    if clip_id is not None:
        raise ClipConflictError(
            f"clip {clip_id} is named {said.external_id!r} and has other audio: choose another external_id",
            clip_id=clip_id,
            differs={"audio": {"have": "other bytes or another window", "given": said.external_id}},
        )


def _refuse_leak(session: Session, project_id: int, sha256: str, said: Particulars, split: str) -> None:
    groups = {
        "speaker": (Clip.speaker, said.speaker),
        "session": (Clip.session, said.session),
        "recording": (Clip.asset_sha256, sha256),
    }
    known = {kind: column == value for kind, (column, value) in groups.items() if value is not None}
    wanted = select(Clip.split, *known.values()).where(Clip.project_id == project_id, Clip.split != split)
    found = session.execute(wanted.where(or_(*known.values())).limit(1)).first()
    if found is None:
        return
    other, *matches = found
    kind = next(kind for kind, matching in zip(known, matches, strict=True) if matching)
    raise GroupSplitError(
        f"{kind} {groups[kind][1]!r} is in the {other} split and cannot be in {split} too: send split={other}",
        kind,
        differs={"split": {"have": other, "given": split}},
    )


def _add_asset(session: Session, checked: CheckedAudio, now: datetime) -> None:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = {
        "sha256": checked.sha256,
        "size_bytes": checked.size_bytes,
        "media_type": checked.media_type,
        "duration_s": checked.duration_s,
        "created_at": now,
    }
    session.execute(insert(Asset).values(row).on_conflict_do_nothing())
