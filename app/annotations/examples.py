"""Examples: clips an operator chose for annotators to listen to before they start."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from al_core.scheme import Scheme
from app.annotations.settings import read_annotating
from app.errors import InvalidError
from app.models import Clip


def check_examples(session: Session, project_id: int, scheme: Scheme, annotating: Mapping[str, Any]) -> None:
    """InvalidError unless every example is a clip of the project under a class of its scheme."""
    examples = read_annotating(annotating).examples
    unknown = [name for name in examples if name not in scheme.classes]
    if unknown:
        raise InvalidError(
            f"annotating.examples: {unknown[0]!r} is no class: the scheme has {', '.join(scheme.classes)}"
        )
    named = {clip_id for clips in examples.values() for clip_id in clips}
    if not named:
        return
    own = set(session.scalars(select(Clip.id).where(Clip.project_id == project_id, Clip.id.in_(named))))
    missing = sorted(named - own)
    if missing:
        raise InvalidError(f"annotating.examples: clip {missing[0]} is none of this project: name clips it has")
