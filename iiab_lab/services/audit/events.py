"""An event of the API server's audit log (audit.k8s.io/v1) → one record per request.

Of a long-running request the beginning counts: it is decided then. Bodies are in no event that is read here (level Metadata),
messages that may quote an object are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .places import API
from .record import ALLOWED, ANONYMOUS, DENIED, ERROR, Fact
from .redact import clean

_LONG = ("log", "portforward", "exec", "attach", "proxy")
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):")
_BINDING = re.compile(r'allowed by ((?:Cluster)?RoleBinding) "([^"]+)"')


def fact(event: Mapping[str, Any]) -> Fact | None:
    """None for a second event of a request that has its record."""
    status = int((event.get("responseStatus") or {}).get("code") or 0)
    if event.get("stage") != _deciding(event, status):
        return None
    actor = _actor(event)
    decision = ALLOWED if 0 < status < 400 else DENIED if status in (401, 403, 429) else ERROR
    account = _ACCOUNT.match(actor)
    return Fact(
        time=str(event.get("requestReceivedTimestamp", "")),
        plane="control",
        hop=API,
        pod="",
        tenant=clean(str((event.get("objectRef") or {}).get("namespace", ""))),
        actor=actor,
        actor_tenant=account[1] if account else "",
        verb=clean(str(event.get("verb", ""))),
        host="",
        resource=clean(str(event.get("requestURI", ""))),
        decision=decision,
        status=status,
        policy=_policy(event, decision),
        reason="" if decision == ALLOWED else _reason(event, status),
        request_id=str(event.get("auditID", "")),
    )


def _deciding(event: Mapping[str, Any], status: int) -> str:
    long = event.get("verb") == "watch" or (event.get("objectRef") or {}).get("subresource") in _LONG
    return "ResponseStarted" if long and 0 < status < 400 else "ResponseComplete"


def _actor(event: Mapping[str, Any]) -> str:
    """Who acts for another is named with them."""
    user = clean(str((event.get("user") or {}).get("username") or ANONYMOUS))
    other = (event.get("impersonatedUser") or {}).get("username")
    return f"{clean(str(other))} (by {user})" if other else user


def _policy(event: Mapping[str, Any], decision: str) -> str:
    said = event.get("annotations") or {}
    if said.get("authorization.k8s.io/decision") == "forbid":
        return "RBAC" if event.get("user") else "authentication"
    found = _BINDING.search(str(said.get("authorization.k8s.io/reason", "")))
    return f"{found[1]} {clean(found[2])}" if found else "admission" if decision == DENIED else ""


def _reason(event: Mapping[str, Any], status: int) -> str:
    """Kubernetes' reasons are words of its own: Forbidden, NotFound, …"""
    return clean(str((event.get("responseStatus") or {}).get("reason") or f"status {status}"))[:80]
