"""HTTP ⇄ store: one ASGI application that speaks the Kubernetes API for every resource of the registry.

The path says everything; no route is registered for any kind. What a kind does beyond that is a plug-in.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from ....errors import ApiError
from ..store.registry import Registry, Resource
from ..store.store import Store
from . import discovery, resources, status, stream
from .authn import Authenticator
from .authz import Authorizer
from .info import Info, parse
from .resources import Call
from .subresources import Plugins

log = logging.getLogger(__name__)

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
_HANDLERS = {
    "get": resources.get,
    "list": resources.list_,
    "watch": stream.watch,
    "create": resources.create,
    "update": resources.update,
    "patch": resources.modify,
    "delete": resources.delete,
    "deletecollection": resources.delete_collection,
}


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "apiserver_request", "Requests by verb, resource and code.", ["verb", "resource", "code"], registry=registry
        )
        self.seconds = Histogram("apiserver_request_duration_seconds", "Without watches.", ["verb"], registry=registry)
        self.watches = Gauge("apiserver_longrunning_requests", "Open watches.", ["resource"], registry=registry)


class ApiServer:
    def __init__(
        self,
        store: Store,
        authenticator: Authenticator,
        plugins: Plugins,
        metrics: Metrics,
        authorizer: Authorizer | None = None,
    ) -> None:
        self._store, self._authenticate, self._plugins, self._metrics = store, authenticator, plugins, metrics
        self._authorizer = authorizer or Authorizer(store)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        info = parse(request.method, request.url.path, request.query_params)
        began = time.perf_counter()
        response = await self._respond(request, info)
        labels = info.resource or "-"
        self._metrics.requests.labels(info.verb, labels, str(response.status_code)).inc()
        if info.verb == "watch":
            with self._metrics.watches.labels(labels).track_inprogress():
                await response(scope, receive, send)
        else:
            self._metrics.seconds.labels(info.verb).observe(time.perf_counter() - began)
            await response(scope, receive, send)

    async def _respond(self, request: Request, info: Info) -> Response:
        try:
            user = self._authenticate(request.headers.get("authorization", ""))
            self._authorizer.require(user, info)
            if not info.resource:
                return self._plain(request, info)
            if virtual := self._plugins.virtual.get((info.group, info.resource)):
                return await virtual(Call(request, info, user, self._store, None, {}))  # type: ignore[arg-type]
            resource = self._resource(info)
            call = Call(request, info, user, self._store, resource, dict(request.query_params))
            return await self._handler(info, resource)(call)
        except ApiError as error:
            return status.response(error)
        except ClientDisconnect:
            return PlainTextResponse("", 499)
        except ValueError as error:
            return status.response(ApiError(400, "BadRequest", f"the request could not be understood: {error}"))
        except Exception as error:
            log.exception("request failed: %s %s", info.verb, info.path)
            return status.response(ApiError(500, "InternalError", f"the API server failed: {error!r}"))

    def _resource(self, info: Info) -> Resource:
        found = self._store.registry.find(info.group, info.version, info.resource)
        if found is None:
            raise ApiError(
                404, "NotFound", "the server could not find the requested resource", "see: iiab kubectl api-resources"
            )
        return found

    def _handler(self, info: Info, resource: Resource) -> Any:
        if info.subresource in ("", "status"):
            if info.subresource and not resource.has_status:
                raise ApiError(404, "NotFound", "the server could not find the requested resource")
            handler = _HANDLERS.get(info.verb)
            if handler is None or (info.verb == "create" and info.name):
                raise ApiError(
                    405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
                )
            return handler
        plugin = self._plugins.subresources.get((info.group, info.resource, info.subresource))
        if plugin is None and info.subresource in resource.subresources:
            plugin = self._plugins.subresources.get(("*", "*", info.subresource))
        if plugin is None:
            raise ApiError(
                404,
                "NotFound",
                f"the embedded engine does not serve {info.resource}/{info.subresource}",
                "use `iiab kubectl logs` to read, and a plain request through the gateway to reach a Pod",
            )
        return plugin

    def _plain(self, request: Request, info: Info) -> Response:
        """What is no resource: health, version, metrics, discovery, OpenAPI."""
        path = "/" + info.path.strip("/")
        if path in ("/healthz", "/livez", "/readyz"):
            return PlainTextResponse("ok")
        if path == "/version":
            return status.json(VERSION)
        if path == "/metrics":
            return Response(generate_latest(self._metrics.registry), media_type="text/plain; version=0.0.4")
        found = self._discovery(request, path.strip("/").split("/"))
        if found is None:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return found

    def _discovery(self, request: Request, parts: list[str]) -> Response | None:
        registry = self._store.registry
        if "apidiscovery.k8s.io;v=v2;" in request.headers.get("accept", "").replace(" ", "") and parts in (
            ["api"],
            ["apis"],
        ):
            made = status.json(discovery.aggregated(registry, core=parts == ["api"]))
            made.headers["content-type"] = discovery.AGGREGATED
            return made
        value = _document(registry, parts, request)
        return status.json(value) if value is not None else None


def _document(registry: Registry, parts: list[str], request: Request) -> Any:
    match parts:
        case ["api"]:
            return {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": request.url.netloc}],
            }
        case ["apis"]:
            return discovery.api_groups(registry)
        case ["api", version]:
            return discovery.api_resources(registry, "", version)
        case ["apis", group]:
            return discovery.api_group(registry, group)
        case ["apis", group, version]:
            return discovery.api_resources(registry, group, version)
        case ["openapi", "v2"]:
            return discovery.openapi_v2(registry)
        case ["openapi", "v3"]:
            return discovery.openapi_index(registry)
        case ["openapi", "v3", "api", version]:
            return discovery.openapi_v3(registry, "", version)
        case ["openapi", "v3", "apis", group, version]:
            return discovery.openapi_v3(registry, group, version)
    return None
