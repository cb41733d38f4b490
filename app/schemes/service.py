"""Changing a scheme. Answers stay as they were given and are read through the mapping. Functions never commit."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from al_core.scheme import Dimension, Scheme, SchemeError
from app.annotations.again import ask_again
from app.clips.service import lock_project
from app.errors import ConflictError, InvalidError
from app.labels.given import Given, live_answers
from app.labels.mapping import Translation, rescaled, translation
from app.models import OPEN_STATES, Clip, FormerScheme, GoldClip, Project, Round, RoundState
from app.projects.checks import check_scheme
from app.schemes.schemas import ChangedOut, SchemeIn, VersionOut
from app.specs import as_json, read_scheme

Successors = dict[str, list[str]]


def versions(session: Session, project: Project) -> list[VersionOut]:
    """Every version of the project's scheme, the one in use last."""
    former = session.scalars(
        select(FormerScheme).where(FormerScheme.project_id == project.id).order_by(FormerScheme.version)
    )
    in_use = VersionOut(
        version=project.scheme_version, scheme=project.scheme, mapping=None, reason=None, replaced_at=None
    )
    return [*(VersionOut.model_validate(row, from_attributes=True) for row in former), in_use]


def change_scheme(session: Session, project_id: int, given: SchemeIn, account_id: int, *, now: datetime) -> ChangedOut:
    """Put the next version of a scheme to use.

    Raises:
        NotFoundError: there is no such project.
        InvalidError: the scheme cannot be annotated, or the mapping leaves out what becomes of a class.
        ConflictError: a job of the project's round reads the scheme now, or reference labels would be lost.
    """
    project = lock_project(session, project_id)
    _refuse_while_read(session, project_id)
    before, way = read_scheme(project.scheme), translation(session, project_id)
    dimensions = before.dimensions if given.dimensions is None else tuple(given.dimensions)
    after = _checked(tuple(given.classes), dimensions)
    mapping = _complete(given.mapping, before, after)
    if after == before and all(names == [name] for name, names in mapping.items()):
        raise InvalidError("classes: this is the scheme in use: change a class or a dimension")
    lost = [name for name, names in mapping.items() if len(names) != 1]
    dropped = _drop_references(session, project_id, lost, given.drop_references)
    former = FormerScheme(
        project_id=project_id, version=project.scheme_version, scheme=project.scheme, mapping=mapping,
        reason=given.reason, account_id=account_id, replaced_at=now,
    )  # fmt: skip
    session.add(former)
    project.scheme, project.scheme_version = as_json(after), project.scheme_version + 1
    project.annotating = project.annotating | _examples(project.annotating.get("examples", {}), mapping)
    session.flush()
    renamed = _rename_references(session, project_id, mapping)
    _rescale_references(session, project_id, before.dimensions, after.dimensions)
    _carry_gold(session, project_id, mapping, before, after)
    undecided = _undecided(session, project_id, way)
    whom = [(answer.clip_id, answer.account_id) for answer in undecided]
    return ChangedOut(
        version=project.scheme_version,
        undecided=len(undecided),
        asked_again=ask_again(session, project_id, whom) if given.affected == "ask_again" else 0,
        references=renamed,
        references_dropped=dropped,
    )


def _checked(classes: tuple[str, ...], dimensions: tuple[Dimension, ...]) -> Scheme:
    try:
        scheme = Scheme(classes, dimensions)
        check_scheme(scheme)
    except SchemeError as error:
        raise InvalidError(f"{error}") from error
    return scheme


def _refuse_while_read(session: Session, project_id: int) -> None:
    busy = [state for state in OPEN_STATES if state != RoundState.ANNOTATING]
    turn = session.scalar(select(Round).where(Round.project_id == project_id, Round.state.in_(busy)))
    if turn is not None:
        raise ConflictError(f"round {turn.number} is {turn.state} and reads the scheme: change it when that is over")


def _complete(given: Mapping[str, list[str]], before: Scheme, after: Scheme) -> Successors:
    """Every class in use with its successors; those that stay map onto themselves."""
    unknown = [name for name in given if name not in before.classes]
    if unknown:
        raise InvalidError(f"mapping: {unknown[0]!r} is no class in use: there are {', '.join(before.classes)}")
    complete = {}
    for name in before.classes:
        names = list(dict.fromkeys(given.get(name, [name])))
        missing = [one for one in names if one not in after.classes]
        if missing:
            raise InvalidError(
                f"mapping: {missing[0]!r} is not among the new classes: say what becomes of {name!r}, "
                "with an empty list when it is dropped"
            )
        complete[name] = names
    return complete


def _drop_references(session: Session, project_id: int, lost: list[str], allowed: bool) -> int:
    """Reference labels that have not one successor are no labels any more."""
    held = (Clip.project_id == project_id, Clip.reference_label.in_(lost))
    count = session.execute(select(func.count()).select_from(Clip).where(*held)).scalar_one()
    if count and not allowed:
        raise ConflictError(
            f"{count} clips have a reference label of {', '.join(lost)}, which has not one successor: "
            "send drop_references=true to lose them, and import them again under the new classes"
        )
    session.execute(update(Clip).where(*held).values(reference_label=None).execution_options(synchronize_session=False))
    return count


def _rename_references(session: Session, project_id: int, mapping: Successors) -> int:
    """One pass over the old names, so that two classes may swap theirs."""
    renamed = {name: names[0] for name, names in mapping.items() if len(names) == 1 and names[0] != name}
    known = select(Clip.id, Clip.reference_label).where(
        Clip.project_id == project_id, Clip.reference_label.in_(renamed)
    )
    rows = [{"id": clip_id, "reference_label": renamed[str(name)]} for clip_id, name in session.execute(known)]
    if rows:
        session.execute(update(Clip), rows)
    return len(rows)


def _rescale_references(
    session: Session, project_id: int, before: tuple[Dimension, ...], after: tuple[Dimension, ...]
) -> None:
    """Reference values keep their place on a scale whose range changed."""
    old, new = ({dimension.name: dimension for dimension in dimensions} for dimensions in (before, after))
    moved = [name for name in old if name in new and old[name] != new[name]]
    if not moved:
        return
    known = select(Clip.id, Clip.reference_dimensions).where(
        Clip.project_id == project_id, Clip.reference_dimensions.is_not(None)
    )
    rows = [
        {
            "id": clip_id,
            "reference_dimensions": {
                name: rescaled(value, old[name], new[name]) if name in moved else value
                for name, value in values.items()
            },
        }
        for clip_id, values in session.execute(known)
    ]
    if rows:
        session.execute(update(Clip), rows)


def _carry_gold(session: Session, project_id: int, mapping: Successors, before: Scheme, after: Scheme) -> None:
    """Any successor of a right class is right; a clip of which nothing is known any more is no gold clip."""
    old, new = ({one.name: one for one in scheme.dimensions} for scheme in (before, after))
    for gold in session.scalars(select(GoldClip).where(GoldClip.project_id == project_id)):
        gold.labels = list(dict.fromkeys(after for name in gold.labels for after in mapping.get(name, [])))
        gold.dimensions = {
            name: [rescaled(bound, old[name], new[name]) for bound in bounds]
            for name, bounds in gold.dimensions.items()
            if name in new
        }
        if not gold.labels and not gold.dimensions:
            session.delete(gold)
    session.flush()


def _examples(examples: Mapping[str, list[int]], mapping: Successors) -> dict[str, dict[str, list[int]]]:
    """The examples under their new names; those of a split or dropped class are examples of nothing."""
    carried: dict[str, list[int]] = {}
    for name, clips in examples.items():
        if len(mapping.get(name, [])) == 1:
            carried.setdefault(mapping[name][0], []).extend(clips)
    return {"examples": carried} if examples else {}


def _undecided(session: Session, project_id: int, before: Translation) -> list[Given]:
    """Live answers that named a class until now and name none any more, because it was split."""
    way = translation(session, project_id)
    answers = live_answers(session, project_id)
    return [answer for answer in answers if before.decides(answer) and not way.decides(answer)]
