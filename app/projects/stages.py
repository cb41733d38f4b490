"""Two-stage adaptation: which checkpoint a recipe starts from, and whether it can. Reads rows only; no torch.

In the service `recipe.start.checkpoint` is a checkpoint's id as text, of any project.
"""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from al_core.peft.specs import Probe, parts_of
from al_core.recipe import Recipe, RecipeError, Start
from al_core.scheme import Scheme
from al_core.shared_scheme import shared_scheme
from app.models import Checkpoint, Job, JobState, Project, Round
from app.specs import read_recipe, read_scheme

LARGEST_ID = 2_147_483_647
FIELD = "recipe.start.checkpoint"


def first_stage(session: Session, start: Start) -> Checkpoint:
    """The checkpoint a recipe starts from.

    Raises:
        RecipeError: no id, no such checkpoint, or one that is no classifier.
    """
    named = start.checkpoint
    if not (named.isascii() and named.isdigit()) or int(named) > LARGEST_ID:
        raise RecipeError(f"{FIELD} is {named!r}: write the id of a checkpoint of this service")
    found = session.get(Checkpoint, int(named))
    if found is None:
        raise RecipeError(f"{FIELD} is {named!r}: there is no such checkpoint")
    if found.kind != "classifier":
        raise RecipeError(f"{FIELD} is {named!r}, an adapted encoder: name a classifier, trained by a round")
    return found


def scheme_of(session: Session, checkpoint: Checkpoint) -> Scheme:
    """The scheme a classifier answers in: its own, or its project's where it was trained before that was kept."""
    own = checkpoint.report.get("scheme")
    return read_scheme(own or session.get_one(Project, checkpoint.project_id).scheme)


def check_start(session: Session, recipe: Recipe, scheme: Scheme, encoder: str, adapted: int | None) -> None:
    """Refuse a start that is not there, of another encoder or method, or whose classes cannot be mapped by name.

    Args:
        session: to read with.
        recipe: with a start.
        scheme: of the project that would start there.
        encoder: folder or hub id the project's operator named.
        adapted: id of the project's adapted encoder, if one is in use.

    Raises:
        RecipeError: the sentence names checkpoint, encoder, method or class.
    """
    start = recipe.start
    assert start is not None, "asked for recipes with a start"
    found = first_stage(session, start)
    _check_method(found, recipe, start)
    _check_encoder(session, found, encoder, adapted)
    shared_scheme(scheme_of(session, found), scheme, start)


def _check_method(found: Checkpoint, recipe: Recipe, start: Start) -> None:
    """A first stage must have changed the encoder, and who trains its adaptors on must have the same."""
    first = read_recipe(found.recipe)
    if isinstance(first.method, Probe):
        raise RecipeError(
            f"{FIELD}: checkpoint {found.id} is a probe, which left the encoder as it was: start from one of another "
            "method, or leave recipe.start out"
        )
    assert not isinstance(recipe.method, Probe), "a probe has no start"
    kinds, own = ([part.kind for part in parts_of(method)] for method in (first.method, recipe.method))
    if start.adaptors == "continue" and (sorted(kinds), first.layer) != (sorted(own), recipe.layer):
        raise RecipeError(
            f'recipe.start.adaptors is "continue", which trains on what checkpoint {found.id} has '
            f'({", ".join(kinds)}, layer {first.layer}): use its method and layer, or "stack"'
        )


def _check_encoder(session: Session, found: Checkpoint, encoder: str, adapted: int | None) -> None:
    other = session.get_one(Project, found.project_id)
    known = _digests(session, encoder)
    if adapted is not None:
        known = {session.get_one(Checkpoint, adapted).encoder_digest}
    if found.encoder_digest in known:
        return
    if known or encoder != other.encoder or found.encoder_digest in _adapted_digests(session, other.id):
        raise RecipeError(
            f"{FIELD}: checkpoint {found.id} of project {other.name!r} was trained from another encoder than "
            f"{'the adapted one in use here' if adapted else repr(encoder)}: name the same encoder"
        )


def _digests(session: Session, encoder: str) -> set[str]:
    """What is known of a named encoder's digest, from the newest embeddings and rounds of projects that name it."""
    projects: ColumnElement[bool] = Project.encoder == encoder
    embedded = (
        select(Job.result, Job.project_id)
        .join(Project, Project.id == Job.project_id)
        .where(projects, Job.kind == "embed", Job.state == JobState.SUCCEEDED)
    )
    opened = (
        select(Round.encoder_digest, Round.project_id)
        .join(Project, Project.id == Round.project_id)
        .where(projects, Round.encoder_digest.is_not(None))
    )
    found: list[tuple[str | None, int]] = [
        ((result or {}).get("encoder_digest"), project_id)
        for result, project_id in session.execute(embedded.order_by(Job.id.desc()).limit(20))
    ]
    found += [
        (digest, project_id) for digest, project_id in session.execute(opened.order_by(Round.id.desc()).limit(20))
    ]
    adapted = {project_id: _adapted_digests(session, project_id) for _, project_id in found}
    return {digest for digest, project_id in found if digest and digest not in adapted[project_id]}


def _adapted_digests(session: Session, project_id: int) -> set[str]:
    own = (Checkpoint.project_id == project_id, Checkpoint.kind == "encoder")
    return set(session.scalars(select(Checkpoint.encoder_digest).where(*own)))
