"""What Prometheus reads: requests and their seconds, and the jobs in the database at the moment of the scrape."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db import Database
from app.models import Job

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """Counts and seconds of requests, by method, route and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "afterloop_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "afterloop_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["method", "route"],
            buckets=BUCKETS_S,
            registry=registry,
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request under its route's template, so that ids make no new series."""
        template = _template(scope)
        self.requests.labels(scope["method"], template, status).inc()
        self.seconds.labels(scope["method"], template).observe(seconds)


def _template(scope: Scope) -> str:
    """`/api/v1/projects/{project_id}` of `/api/v1/projects/7`. A route knows its own part, the rest is its prefix."""
    own: str | None = getattr(scope.get("route"), "path_format", None)
    if own is None:
        return "unmatched"
    prefix: list[str] = scope["path"].split("/")[: 1 - len(own.split("/")) or None]
    return "/".join(prefix) + own


class Measured:
    """ASGI middleware that observes every request."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            self._metrics.observe(scope, status, time.perf_counter() - begin)


class JobCounts(Collector):
    """Jobs by kind and state, counted in the database when asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing yet: registering must not ask a database that is not there."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge a kind and state."""
        gauge = GaugeMetricFamily("afterloop_jobs", "Jobs, by kind and state.", labels=["kind", "state"])
        with self._database.read() as session:
            for kind, state, count in session.execute(
                select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
            ):
                gauge.add_metric([kind, state], count)
        yield gauge
