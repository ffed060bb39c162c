"""HTTP ⇄ store: one ASGI application that speaks the Kubernetes API for every resource of the registry.

The path says everything; no route is registered for any kind. What a kind does beyond that is a plug-in. Each request goes
through the same doors: identity, in-flight limit, rights, then its verb; and each leaves a line in the audit log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.websockets import WebSocket

from ....errors import ApiError
from ..objects.meta import Object
from ..store.registry import Resource
from ..store.store import Store
from . import audit, authn, resources, status, stream
from .admission import InFlight, is_long_running
from .authn import Authenticator, User
from .authz import Authorizer
from .discovery import Discovery
from .info import Info, parse
from .nonresource import NonResource
from .resources import Call
from .subresources import Plugins

log = logging.getLogger(__name__)

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
    """Kubernetes' names."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "apiserver_request", "Requests by verb, resource and code.", ["verb", "resource", "code"], registry=registry
        )
        self.seconds = Histogram(
            "apiserver_request_duration_seconds", "Without long ones.", ["verb"], registry=registry
        )
        self.long = Gauge(
            "apiserver_longrunning_requests", "Open watches, logs, forwards.", ["verb", "resource"], registry=registry
        )


@dataclass(frozen=True)
class Doors:
    """What every request goes through."""

    authenticate: Authenticator
    authorizer: Authorizer
    audit: Callable[[Object], None]


class ApiServer:
    def __init__(self, store: Store, doors: Doors, plugins: Plugins, metrics: Metrics) -> None:
        self._store, self._doors, self._plugins, self._metrics = store, doors, plugins, metrics
        self._in_flight = InFlight(metrics.registry)
        discovery = Discovery(store.registry, plugins.virtual)
        self._non_resource = NonResource(store.registry, discovery, metrics.registry)
        self._virtual = {(kind.group, kind.version, kind.plural): (kind, do) for kind, do in plugins.virtual.items()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive), receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(WebSocket(scope, receive, send))

    async def _http(self, request: Request, receive: Any, send: Any) -> None:
        info = parse(request.method, request.url.path, request.query_params)
        entry, began = audit.Entry(request, info), time.perf_counter()
        try:
            async with self._in_flight.one(info):
                response = await self._answered(request, info, entry)
        except ApiError as error:
            response = status.response(error)
        response.headers["audit-id"] = entry.id
        resource, code = self._counted(info), response.status_code
        self._metrics.requests.labels(info.verb, resource, str(code)).inc()
        if is_long_running(info) and code < 400:
            self._doors.audit(entry.event("ResponseStarted", code))
            with self._metrics.long.labels(info.verb, resource).track_inprogress():
                await response(request.scope, receive, send)
        else:
            self._metrics.seconds.labels(info.verb).observe(time.perf_counter() - began)
            await response(request.scope, receive, send)
        self._doors.audit(entry.event("ResponseComplete", code, *status.refusal(response)))

    def _counted(self, info: Info) -> str:
        """The resource as a label: of what is not there, any path could make a new one."""
        place = (info.group, info.version, info.resource)
        return info.resource if self._store.registry.find(*place) or place in self._virtual else "-"

    async def _answered(self, request: Request, info: Info, entry: audit.Entry) -> Response:
        try:
            user = self._admitted(request, info, entry)
            if not info.resource:
                return self._non_resource.answer(request, info)
            return await self._of_resource(request, info, user)
        except ApiError as error:
            return status.response(error)
        except ClientDisconnect:
            return PlainTextResponse("", 499)
        except (ValueError, RecursionError) as error:
            return status.response(ApiError(400, "BadRequest", f"the request could not be understood: {error}"))
        except Exception as error:
            log.exception("request failed: %s %s", info.verb, info.path)
            return status.response(ApiError(500, "InternalError", f"the API server failed: {error!r}"))

    def _admitted(self, request: HTTPConnection, info: Info, entry: audit.Entry) -> User:
        """Who asks, or for whom they may ask; raises 401 and 403."""
        doors, peer = self._doors, request.scope.get("state", {}).get("peer")
        user = entry.user = doors.authenticate(request.headers.get("authorization", ""), peer)
        other = authn.impersonated(request.headers)
        if other is not None:
            for asked in _impersonation(other):
                doors.authorizer.require(user, asked)
            user = entry.acting_as = other
        entry.reason = doors.authorizer.require(user, info)
        return user

    async def _of_resource(self, request: Request, info: Info, user: User) -> Response:
        query = dict(request.query_params)
        if virtual := self._virtual.get((info.group, info.version, info.resource)):
            kind, handle = virtual
            if info.verb not in kind.verbs:
                raise _not_allowed()
            return await handle(Call(request, info, user, self._store, None, query))  # type: ignore[arg-type]
        resource = self._resource(info)
        approval = self._plugins.approvals.get((info.group, info.resource))
        return await self._handler(info, resource)(Call(request, info, user, self._store, resource, query, approval))

    def _resource(self, info: Info) -> Resource:
        found = self._store.registry.find(info.group, info.version, info.resource)
        if found is None:
            raise _not_found()
        if info.namespace and not found.kind.namespaced and info.resource != "namespaces":
            raise ApiError(404, "NotFound", f"{found.kind.resource} are not in namespaces", "leave the namespace out")
        return found

    def _handler(self, info: Info, resource: Resource) -> Any:
        if info.subresource == "" or (info.subresource == "status" and resource.has_status):
            handler = _HANDLERS.get(info.verb)
            missing = resource.kind.namespaced and not info.namespace and info.verb not in ("list", "watch")
            if missing and info.name:
                raise _not_found()
            if handler is None or missing or not _fits(info):
                raise _not_allowed()
            return handler
        plugin = self._plugins.subresources.get((info.group, info.resource, info.subresource))
        if plugin is None and info.subresource in resource.subresources:
            plugin = self._plugins.subresources.get(("*", "*", info.subresource))
        if plugin is None:
            raise ApiError(
                404,
                "NotFound",
                f"the embedded engine does not serve {info.resource}/{info.subresource}",
                "see what is served: iiab kubectl api-resources",
            )
        return plugin

    async def _websocket(self, socket: WebSocket) -> None:
        """Only what is a stream in both directions; refused with a Status before it is opened."""
        info = parse("POST", socket.url.path, socket.query_params)
        entry = audit.Entry(socket, info)
        try:
            user = self._admitted(socket, info, entry)
            connect = self._plugins.sockets.get((info.group, info.resource, info.subresource))
            if connect is None:
                raise ApiError(404, "NotFound", "no WebSocket is served here", "use plain HTTP")
            session = connect(socket, info, user, self._store)
        except ApiError as error:
            self._doors.audit(entry.event("ResponseComplete", error.code, error.reason, error.message))
            await socket.send_denial_response(status.response(error))
            return
        self._doors.audit(entry.event("ResponseStarted", 101))
        with self._metrics.long.labels("connect", info.resource).track_inprogress():
            await session
        self._doors.audit(entry.event("ResponseComplete", 101))


def _fits(info: Info) -> bool:
    """Objects are created in collections, everything else happens to one of them (or to the collection as such)."""
    named = bool(info.name)
    return named != (info.verb in ("create", "list", "deletecollection")) or info.verb == "watch"


def _impersonation(other: User) -> list[Info]:
    """What one must be allowed to do to act for somebody."""
    prefix = "system:serviceaccount:"
    if other.name.startswith(prefix) and other.name.count(":") == 3:
        _, _, namespace, name = other.name.split(":")
        asked = [Info("impersonate", "", "", "v1", namespace, "serviceaccounts", name)]
    else:
        asked = [Info("impersonate", "", "", "v1", "", "users", other.name)]
    given = other.groups - {"system:authenticated"} - authn.ANONYMOUS.groups
    if other.name.startswith(prefix):
        given -= authn.account_groups(other.name.split(":")[2])
    asked += [Info("impersonate", "", "", "v1", "", "groups", group) for group in sorted(given)]
    extra = "authentication.k8s.io"
    held = [(name, value) for name, values in other.extra.items() for value in values]
    asked += [Info("impersonate", "", extra, "v1", "", "userextras", value, name) for name, value in held]
    return asked + ([Info("impersonate", "", extra, "v1", "", "uids", other.uid)] if other.uid else [])


def _not_found() -> ApiError:
    return ApiError(
        404, "NotFound", "the server could not find the requested resource", "see: iiab kubectl api-resources"
    )


def _not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
