"""Is the process up, can it work, what has it done. For load balancers and Prometheus: no token."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from app.dependencies import SettingsDep, StorageDep
from app.errors import problems
from app.migrating import require_head

router = APIRouter(tags=["health"])


class Healthy(BaseModel):
    """Up, or ready."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str = "ok"


@router.get("/healthz", summary="Is the process up")
def healthz() -> Healthy:
    """Answers as long as the process runs."""
    return Healthy()


@router.get("/readyz", summary="Can the process work", responses=problems(503, 507))
def readyz(storage: StorageDep, settings: SettingsDep) -> Healthy:
    """Ready when the database answers at the revision this version needs, and the storage can be written."""
    require_head(settings.url)
    storage.check_writable()
    return Healthy()


@router.get("/metrics", summary="What Prometheus reads", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Requests, their seconds, and jobs by state, in Prometheus' text format."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
