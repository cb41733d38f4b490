"""Advice on stopping, for everybody with a token."""

from typing import Annotated

from fastapi import APIRouter, Query

from al_core.stopping.advice import WORTH
from app.advice import service
from app.advice.schemas import AdviceOut
from app.dependencies import DbDep, RowId, Viewer
from app.errors import problems

router = APIRouter(tags=["advice"], responses=problems(401, 403, 404, 422))
Labels = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="How many more labels are asked about; a round's unless said.")
]
Worth = Annotated[
    float,
    Query(gt=0, le=1, allow_inf_nan=False, description="Smallest gain that is worth them: 0.005 is 0.5 UAR points."),
]


@router.get("/projects/{project_id}/advice", summary="Are more labels worth it?")
def get_advice(project_id: RowId, db: DbDep, caller: Viewer, labels: Labels = None, worth: Worth = WORTH) -> AdviceOut:
    """Whether to stop, with the gain that the learning curve predicts and what four criteria say."""
    with db.read() as session:
        evidence = service.collect(session, project_id)
    return service.judge(evidence, labels, worth)
