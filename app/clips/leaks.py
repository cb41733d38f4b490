"""Leaks in a project: its splits, and what its adapted encoder heard, share no speaker, session or recording."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.leaks import ClipGroups, LeakError, Part, check_leaks, recording_of, tell_unknown
from app.annotations.settings import read_annotating
from app.errors import ConflictError
from app.models import Clip, Project

SPLITS: tuple[Part, ...] = ("train", "dev", "test")


class LeakRefusedError(ConflictError):
    """Parts of the project share a speaker, session, recording or script; the problem names groups and clips."""

    name = "leak"


def refuse_leaks(session: Session, project: Project, heard: Collection[str] = ()) -> list[str]:
    """Refuse a project whose parts share a group; otherwise what could not be checked, in sentences.

    Clips are named by their ids. Scripts count where `annotating.disjoint_scripts` says so.

    Args:
        session: read only.
        project: whose clips.
        heard: keys of the audio its encoder was adapted to, if it was.

    Raises:
        LeakRefusedError: `kind`, `groups`, `parts`, `clips` (ids) and the sentence.
    """
    parts = _parts(session, project.id, heard)
    try:
        check_leaks(parts, read_annotating(project.annotating).disjoint_scripts)
    except LeakError as error:
        raise LeakRefusedError(
            str(error),
            kind=error.kind,
            groups=list(error.groups),
            parts=list(error.parts),
            clips=[int(clip) for clip in dict.fromkeys(error.clips) if clip.isdigit()],
        ) from error
    unknown = tell_unknown({split: parts[split] for split in SPLITS})
    return [unknown] if unknown and (parts["dev"] or parts["test"]) else []


def _parts(session: Session, project_id: int, heard: Collection[str]) -> dict[Part, list[ClipGroups]]:
    columns = (Clip.id, Clip.split, Clip.speaker, Clip.session, Clip.asset_sha256, Clip.text)
    parts: dict[Part, list[ClipGroups]] = {part: [] for part in (*SPLITS, "tapt")}
    of_split = {str(split): parts[split] for split in SPLITS}
    adapted_to = {recording_of(key): key for key in heard}
    for row in session.execute(select(*columns).where(Clip.project_id == project_id).order_by(Clip.id)):
        groups = ClipGroups(str(row.id), row.speaker, row.session, row.asset_sha256, row.text)
        of_split[row.split].append(groups)
        if row.split == "train" and row.asset_sha256 in adapted_to:
            parts["tapt"].append(groups)
    training = {groups.recording for groups in parts["train"]}
    parts["tapt"] += [ClipGroups(key, recording=one) for one, key in sorted(adapted_to.items()) if one not in training]
    return parts
