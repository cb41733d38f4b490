"""Composition root of the web process: puts database, storage, routers and middleware together. Imports no torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from app.accounts import routes as accounts
from app.accounts.tokens import TokenCache
from app.adaptation import routes as adaptation
from app.annotations import routes as annotations
from app.body_limit import BodyLimit
from app.checkpoints import routes as checkpoints
from app.clips import routes as clips
from app.curves import routes as curves
from app.db import Database
from app.errors import Problem, install_error_handlers
from app.exports import routes as exports
from app.health import routes as health
from app.health.metrics import JobCounts, Measured, RequestMetrics
from app.imports import routes as imports
from app.jobs import routes as jobs
from app.predictions import routes as predictions
from app.projects import routes as projects
from app.rounds import routes as rounds
from app.settings import Settings
from app.storage import Storage
from app.web import routes as web

API = "/api/v1"
NOUNS = (
    projects,
    clips,
    imports,
    adaptation,
    rounds,
    annotations,
    curves,
    checkpoints,
    predictions,
    exports,
    jobs,
    accounts,
)
DESCRIPTION = """
Active-learning fine-tuning for speech emotion recognition: audio in, rounds of annotation, a learning curve out.

Every request but the health checks carries `Authorization: Bearer <token>`. Errors are RFC 9457 problem details.
"""


def create_app(settings: Settings) -> FastAPI:
    """The web process over the settings' database and data folder. The tables must be there: `afterloop db upgrade`."""
    db = Database(settings.url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        db.dispose()

    app = FastAPI(
        title="Afterloop",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    app.state.settings, app.state.db = settings, db
    app.state.storage = Storage(settings.blobs)
    app.state.tokens = TokenCache(db)
    app.state.registry = CollectorRegistry()
    app.state.registry.register(JobCounts(db))
    install_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=int(settings.max_upload_mb * 1e6))
    app.add_middleware(Measured, metrics=RequestMetrics(app.state.registry))
    _mount(app)
    app.openapi = _openapi_with_problems(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _mount(app: FastAPI) -> None:
    api = APIRouter(prefix=API)
    for noun in NOUNS:
        api.include_router(noun.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(web.router)


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0]}_{route.name}" if route.tags else route.name


def _openapi_with_problems(app: FastAPI) -> Any:
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", Problem.model_json_schema())
        return schema

    return openapi
