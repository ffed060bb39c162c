"""A prediction on somebody's behalf, through the gateway like any other: never straight to an address from a request.

`connectionSettings` chooses protocol, host, path and headers, and `dnsResolve` names the host that stands for an address, as
curl's --resolve does; whatever it says, the bytes go to the platform's own gateway.
"""

from __future__ import annotations

import json
import time
from typing import Any

from pydantic import BaseModel, Field

from .callers import Caller, Callers
from .edge import NAMESPACE, Edge
from .errors import Refused
from .models import is_serving
from .platform import ROUTE, Object, Platform
from .published.in_force import await_in_force
from .published.objects import door_host, door_name, tenant_door

SECRET = "identity-client"  # noqa: S105 - a name
_MOST, _HEADERS = 1_000_000, 32
# What a caller may not set: who asks, where it goes, how it is framed.
_OURS = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "x-forwarded-for")


class Header(BaseModel):
    key: str
    value: str


class Resolve(BaseModel):
    host: str
    port: str = ""
    address: str = ""


class ConnectionSettings(BaseModel):
    useCustom: bool = False
    protocol: str = ""
    host: str = ""
    port: str = ""
    path: str = ""
    headers: list[Header] = Field(default_factory=list)
    namespace: str = ""
    dnsResolve: list[Resolve] = Field(default_factory=list)


class PredictBody(BaseModel):
    inputData: Any
    connectionSettings: ConnectionSettings | None = None


class Predictor:
    def __init__(self, platform: Platform, edge: Edge, callers: Callers) -> None:
        self._platform, self._edge, self._callers = platform, edge, callers

    def predict(self, caller: Caller, model: Object, body: PredictBody) -> Any:
        """The model's answer; raises 502 for one of 400 and above, as the original does."""
        if not is_serving(model):
            raise Refused(404, "Model not ready or not found", "look at its statusDetails")
        name, namespace = model["metadata"]["name"], model["metadata"]["namespace"]
        settings = body.connectionSettings or ConnectionSettings()
        own = self.door(name, namespace)
        host, path, headers = self.destination(settings, own, f"/v1/models/{name}:predict")
        if host == own:  # a token goes to the model it is for, and nowhere else
            headers.setdefault("authorization", f"Bearer {self.token(caller, namespace)}")
        answer = self._edge.send("POST", host, path, headers, data=json.dumps(body.inputData))
        if answer.status_code >= 400:
            raise Refused(502, f"Model prediction failed with status {answer.status_code}", answer.text[:2000])
        return _parsed(answer)

    def door(self, name: str, namespace: str) -> str:
        """The hostname by which the model's tenant calls it; made where it is missing."""
        found = self._platform.get(ROUTE, door_name(name, namespace), NAMESPACE)
        if found is None:
            tenant = next((t for t, ns in self._callers.tenants().items() if ns == namespace), "")
            await_in_force(self._platform, [self._platform.apply(o) for o in tenant_door(name, namespace, tenant)])
        return door_host(name, namespace)

    def execute(self, host: str, path: str, headers: dict[str, str], data: Any, method: str = "POST") -> Object:
        """One request and everything about its answer: the original's TestExecutionResponse."""
        began = time.perf_counter()
        content = data if isinstance(data, str) else json.dumps(data)
        answer = self._edge.send(method, host, path, headers, data=content)
        fine = answer.status_code < 400
        return {
            "success": fine,
            "data": _parsed(answer) if fine else None,
            "error": "" if fine else answer.text[:2000],
            "request": data,
            "endpoint": f"https://{host}{path}",
            "status": f"{answer.status_code} {answer.reason}",
            "statusCode": answer.status_code,
            "responseTime": round((time.perf_counter() - began) * 1e3),
            "headers": {name: value for name, value in answer.headers.items() if name.lower() != "set-cookie"},
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def destination(self, settings: ConnectionSettings, host: str, path: str) -> tuple[str, str, dict[str, str]]:
        """(host, path, headers) of a request to the gateway; raises 400 for what would lead elsewhere."""
        headers = {"content-type": "application/json"}
        if not settings.useCustom:
            return host, path, headers
        self._require_gateway(settings)
        if settings.path and (not settings.path.startswith("/") or any(c in settings.path for c in "\r\n ")):
            raise Refused(400, "Validation failed", "connectionSettings.path: must begin with / and hold no spaces")
        headers |= checked(settings.headers)
        return settings.host or host, settings.path or path, headers

    def _require_gateway(self, settings: ConnectionSettings) -> None:
        """A host is a name that the gateway serves; an address is the gateway's own, or not said."""
        if settings.protocol not in ("", "http", "https"):
            raise Refused(400, "Validation failed", "connectionSettings.protocol: must be http or https")
        ours = {self._edge.address(80).host, ""}
        for entry in settings.dnsResolve:
            if entry.address not in ours:
                why = f"dnsResolve: {entry.address} is not the gateway; requests go to the gateway alone"
                raise Refused(400, "Validation failed", f"connectionSettings.{why}")
        if settings.host and not self._served(settings.host):
            raise Refused(400, "Validation failed", f"connectionSettings.host: the gateway serves no {settings.host}")

    def _served(self, host: str) -> bool:
        named = {name for route in self._platform.list(ROUTE) for name in route["spec"].get("hostnames") or ()}
        return host in named | {"localhost"}

    def token(self, caller: Caller, namespace: str) -> str:
        """The caller's own; the admin, who has no tenant, acts for the model's."""
        return self._edge.token(SECRET, namespace) if caller.is_admin else caller.token


def checked(headers: list[Header]) -> dict[str, str]:
    if len(headers) > _HEADERS:
        raise Refused(400, "Validation failed", f"at most {_HEADERS} headers")
    made = {}
    for header in headers:
        name = header.key.strip().lower()
        fine = name.isascii() and name.replace("-", "").isalnum() and header.value.isprintable()
        if name in _OURS or not fine or len(header.value) > 8192:
            raise Refused(400, "Validation failed", f"the header {header.key!r} cannot be set")
        made[name] = header.value
    return made


def _parsed(answer: Any) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {"result": answer.text}
