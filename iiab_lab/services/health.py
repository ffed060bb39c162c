"""A path → the small web application beside a gRPC service: whether it lives, and what it counts."""

from __future__ import annotations

from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def health_and_metrics(path: str) -> Starlette:
    """`path` answers OK, /metrics in Prometheus' text format."""

    async def health(_: Request) -> Response:
        return PlainTextResponse("OK")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route(path, health), Route("/metrics", metrics)])
