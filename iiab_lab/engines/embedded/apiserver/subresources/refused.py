"""Subresources of Kubernetes that a process without a container has no use for → a Status that says what to use."""

from __future__ import annotations

from starlette.responses import Response

from .....errors import ApiError
from ..resources import Call
from . import Handler

_INSTEAD = {
    "exec": ("a Pod is a process, not a container to enter", "read what it says: iiab kubectl logs POD"),
    "attach": ("a Pod has no terminal", "follow what it says: iiab kubectl logs -f POD"),
    "portforward": ("kubectl's own port-forward speaks SPDY, which is not served", "iiab kubectl port-forward …"),
    "proxy": ("the API server is no proxy to Pods and Services", "iiab kubectl port-forward …"),
    "ephemeralcontainers": ("a Pod takes no debug containers", "read what it says: iiab kubectl logs POD"),
    "binding": ("the embedded engine has one node, to which it binds every Pod", "leave spec.nodeName out"),
    "resize": ("a running Pod keeps its resources", "change the template of its Deployment"),
}


def handlers() -> dict[tuple[str, str, str], Handler]:
    found = {("", "pods", name): _make(name) for name in _INSTEAD}
    return found | {("", "services", "proxy"): _make("proxy"), ("", "nodes", "proxy"): _make("proxy")}


def _make(name: str) -> Handler:
    why, instead = _INSTEAD[name]

    async def refuse(call: Call) -> Response:
        raise ApiError(405, "MethodNotAllowed", f"{call.info.resource}/{name}: {why}", instead)

    return refuse
