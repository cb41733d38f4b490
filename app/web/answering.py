"""What the annotator's page is told of a project: what may be answered, by which keys, and what to listen to first."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.annotations.settings import Annotating, SkipPolicies, SkipPolicy, SkipReason, read_annotating
from app.models import Asset, Clip, Project

# Keys for the classes after the ninth: every letter the page does not use for a command.
CLASS_KEYS = "123456789abdefghjkmopqtuwy"
UNCLEAR_KEY = "0"
# Steps of intensity an annotator can tell apart: weak, clear, strong.
INTENSITIES = 3
SKIP_SENTENCES = {
    SkipReason.UNSURE: "I cannot tell",
    SkipReason.BAD_AUDIO: "The audio is broken",
    SkipReason.NOT_SPEECH: "Nobody speaks",
    SkipReason.SEVERAL_SPEAKERS: "Several people speak",
}
_AFTERWARDS = {
    SkipPolicy.OTHERS: "somebody else is asked",
    SkipPolicy.LATER: "it comes back to you later",
    SkipPolicy.OUT: "nobody is asked again",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A clip to listen to before annotating."""

    clip_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KeyedClass:
    """A class of the scheme, its key ("" once there are no more) and its examples."""

    name: str
    key: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Answering:
    """Everything of the page that depends on the project. `scheme` is what its scripts read."""

    classes: tuple[KeyedClass, ...]
    scheme: dict[str, Any]
    skips: tuple[tuple[str, str, str], ...]  # reason, sentence, what happens to the clip
    guide_version: str
    windows: bool

    @property
    def examples(self) -> bool:
        """Whether any class has one."""
        return any(each.examples for each in self.classes)


def answering(session: Session, project: Project) -> Answering:
    """What the page shows of this project."""
    settings = read_annotating(project.annotating)
    names: list[str] = project.scheme["classes"]
    examples = _examples(session, project.id, settings)
    keys = CLASS_KEYS.ljust(len(names))
    classes = tuple(
        KeyedClass(name, key.strip(), examples.get(name, ())) for name, key in zip(names, keys, strict=False)
    )
    return Answering(
        classes=classes,
        scheme={
            "classes": names,
            "dimensions": project.scheme.get("dimensions", []),
            "several": settings.several_classes,
            "levels": INTENSITIES if settings.several_classes else 1,
            "unclear": settings.unclear,
            "version": project.scheme_version,
        },
        skips=tuple(_skips(settings.skips)),
        guide_version=_digest([project.instructions, *(str(ids) for ids in sorted(settings.examples.items()))]),
        windows=_has_windows(session, project.id),
    )


def _skips(policies: SkipPolicies) -> Iterable[tuple[str, str, str]]:
    for reason, sentence in SKIP_SENTENCES.items():
        yield reason.value, sentence, _AFTERWARDS[policies.of(reason)]


def _examples(session: Session, project_id: int, settings: Annotating) -> dict[str, tuple[Example, ...]]:
    wanted = {clip_id for ids in settings.examples.values() for clip_id in ids}
    if not wanted:
        return {}
    rows = select(Clip.id, Clip.start_s, Clip.end_s).where(Clip.project_id == project_id, Clip.id.in_(wanted))
    lasting = {clip_id: round(end - start, 3) for clip_id, start, end in session.execute(rows)}
    return {
        name: tuple(Example(clip_id, lasting[clip_id]) for clip_id in ids if clip_id in lasting)
        for name, ids in settings.examples.items()
    }


def _has_windows(session: Session, project_id: int) -> bool:
    """Whether a clip is a part of its recording, so that there is something around it to hear."""
    part = (Clip.start_s > 0) | (Clip.end_s < Asset.duration_s - 0.1)
    found = select(Clip.id).join(Asset, Asset.sha256 == Clip.asset_sha256).where(Clip.project_id == project_id, part)
    return bool(session.execute(select(exists(found))).scalar_one())


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
