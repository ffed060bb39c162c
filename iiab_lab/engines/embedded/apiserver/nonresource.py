"""GET of what is no resource: health, version, metrics, discovery, OpenAPI. Documents are made once per change of what is served."""

from __future__ import annotations

from typing import Any

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ....errors import ApiError
from ..store.registry import Registry
from . import openapi, status
from .discovery import AGGREGATED, Discovery
from .info import Info

VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0+iiab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "",
    "goVersion": "",
    "compiler": "cpython",
    "platform": "embedded",
}
_HEALTH = ("/healthz", "/livez", "/readyz")
# What is checked is whether the loop that does everything answers, and that the store is open.
_CHECKS = ("ping", "store")


class NonResource:
    def __init__(self, registry: Registry, discovery: Discovery, metrics: CollectorRegistry) -> None:
        self._registry, self._discovery, self._metrics = registry, discovery, metrics
        self._made: dict[tuple[str, ...], bytes | None] = {}
        self._version = -1

    def answer(self, request: Request, info: Info) -> Response:
        path = "/" + info.path.strip("/")
        if info.verb != "get":
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        if path.startswith(tuple(f"{name}/" for name in _HEALTH)) or path in _HEALTH:
            return _health(path, "verbose" in request.query_params)
        if path == "/version":
            return status.json(VERSION)
        if path == "/metrics":
            return Response(generate_latest(self._metrics), media_type="text/plain; version=0.0.4")
        return self._document(request, tuple(path.strip("/").split("/")))

    def _document(self, request: Request, parts: tuple[str, ...]) -> Response:
        accept = request.headers.get("accept", "").replace(" ", "")
        aggregated = "apidiscovery.k8s.io;v=v2;" in accept and parts in (("api",), ("apis",))
        key = (*parts, "aggregated") if aggregated else parts
        if self._version != self._registry.version:
            self._made, self._version = {}, self._registry.version
        if key not in self._made:
            made = self._discovery.aggregated(parts == ("api",)) if aggregated else self._make(parts)
            if made is None:  # any path may be asked for: what is not there is not kept
                raise ApiError(404, "NotFound", "the server could not find the requested resource")
            self._made[key] = orjson.dumps(made)
        response = status.json(self._made[key])
        if aggregated:
            response.headers["content-type"] = AGGREGATED
        return response

    def _make(self, parts: tuple[str, ...]) -> Any:
        if parts[0] == "openapi":
            return self._openapi(parts[1:])
        match parts:
            case ("",):
                return {"paths": ["/api", "/apis", *_HEALTH, "/metrics", "/openapi/v2", "/openapi/v3", "/version"]}
            case ("api",):
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            case ("apis",):
                return self._discovery.api_groups()
            case ("api", version):
                return self._discovery.api_resources("", version)
            case ("apis", group):
                return self._discovery.api_group(group)
            case ("apis", group, version):
                return self._discovery.api_resources(group, version)
        return None

    def _openapi(self, parts: tuple[str, ...]) -> Any:
        match parts:
            case ("v2",):
                return openapi.v2(self._registry)
            case ("v3",):
                return openapi.index(self._registry)
            case ("v3", "api", version):
                return openapi.v3(self._registry, "", version)
            case ("v3", "apis", group, version):
                return openapi.v3(self._registry, group, version)
        return None


def _health(path: str, verbose: bool) -> Response:
    name, _, check = path.strip("/").partition("/")
    if check and check not in _CHECKS:
        raise ApiError(404, "NotFound", f"no check {check}", f"the checks are: {', '.join(_CHECKS)}")
    if not verbose:
        return PlainTextResponse("ok")
    lines = [f"[+]{check} ok" for check in _CHECKS]
    return PlainTextResponse("\n".join([*lines, f"{name} check passed", ""]))
