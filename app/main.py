"""Composition root of the web process: puts database, storage, routers and middleware together. Imports no torch."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from app.accounts import routes as accounts
from app.accounts.tokens import TokenCache
from app.adaptation import routes as adaptation
from app.adjudication import routes as adjudication
from app.advice import routes as advice
from app.annotations import routes as annotations
from app.annotators import routes as annotators
from app.body_limit import BodyLimit
from app.checkpoints import routes as checkpoints
from app.clips import routes as clips
from app.curves import routes as curves
from app.db import Database
from app.errors import Problem, install_error_handlers
from app.exports import routes as exports
from app.gold import routes as gold
from app.health import routes as health
from app.health.metrics import JobCounts, Measured, RequestMetrics
from app.imports import annotation_routes as annotation_imports
from app.imports import routes as imports
from app.jobs import routes as jobs
from app.label_studio import routes as label_studio
from app.predictions import routes as predictions
from app.projects import routes as projects
from app.rounds import routes as rounds
from app.schemes import routes as schemes
from app.settings import Settings
from app.storage import Storage
from app.web import routes as web
from app.webhooks import routes as webhooks
from app.writer import Writer

API = "/api/v1"
NOUNS = (
    annotations,  # first, as annotators ask most and most hurriedly: routes are searched in order
    projects,
    clips,
    imports,
    annotation_imports,
    adaptation,
    rounds,
    gold,
    adjudication,
    schemes,
    annotators,
    curves,
    advice,
    checkpoints,
    predictions,
    exports,
    label_studio,
    webhooks,
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
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with _rare_collections():
            yield
        app.state.writer.stop()
        db.dispose()

    app = FastAPI(
        title="Afterloop",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
        docs_url=None,  # `app/web` draws /docs from files of its own: FastAPI's comes from a public network
        redoc_url=None,
    )
    app.state.settings, app.state.db = settings, db
    app.state.storage = Storage(settings.blobs)
    app.state.writer = Writer(db)
    app.state.tokens = TokenCache(db)
    app.state.registry = CollectorRegistry()
    app.state.registry.register(JobCounts(db))
    install_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=int(settings.max_upload_mb * 1e6))
    app.add_middleware(Measured, metrics=RequestMetrics(app.state.registry))
    _mount(app)
    app.openapi = _openapi_with_problems(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python's collector of garbage pass over what lives as long as the process: looking at it took 12 % of it."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _mount(app: FastAPI) -> None:
    for noun in NOUNS:  # each on the application itself: every router between costs a request another search
        app.include_router(noun.router, prefix=API)
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
