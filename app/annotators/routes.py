"""Figures of annotators and of their agreement, for operators."""

from fastapi import APIRouter

from app.annotators import routing, service
from app.annotators.routing_schemas import RoutingOut
from app.annotators.schemas import AgreementOut, AnnotatorsOut
from app.dependencies import DbDep, Operator, RowId
from app.errors import problems
from app.paging import After, Limit
from app.projects.service import get_project

router = APIRouter(tags=["annotators"], responses=problems(401, 403, 404, 422))


@router.get("/projects/{project_id}/annotators", summary="Compare annotators")
def list_annotators(project_id: RowId, db: DbDep, caller: Operator) -> AnnotatorsOut:
    """Gold accuracy, agreement with the others, self-consistency, pace, drift; and where it may help to talk."""
    with db.read() as session:
        get_project(session, project_id)
        return service.annotators(session, project_id)


@router.get("/projects/{project_id}/agreement", summary="Read how far annotators agree")
def get_agreement(project_id: RowId, db: DbDep, caller: Operator) -> AgreementOut:
    """Krippendorff's alpha and Cohen's kappa with intervals: of all, of each class, dimension, pair and annotator."""
    with db.read() as session:
        get_project(session, project_id)
        return service.agreement(session, project_id)


@router.get("/projects/{project_id}/routing", summary="Read who does not know")
def get_routing(project_id: RowId, db: DbDep, caller: Operator, after: After = 0, limit: Limit = 100) -> RoutingOut:
    """What the newest round that routes decided about its clips, with the figures and a sentence.

    One more person is asked, an adjudicator gets the clip, it is accepted as ambiguous, or its label stands.
    """
    with db.read() as session:
        get_project(session, project_id)
        return routing.routing(session, project_id, after, limit)
