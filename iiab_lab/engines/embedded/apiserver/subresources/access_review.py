"""POST selfsubjectaccessreviews → may I? The authorizer's own answer; nothing is stored."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .. import status
from ..authz import Authorizer
from ..info import Info
from ..resources import Call, json_body
from . import Handler


def review(authorizer: Authorizer) -> Handler:
    async def answer(call: Call) -> Response:
        given = await json_body(call)
        spec = (given.get("spec") or {}) if isinstance(given, dict) else {}
        allowed = authorizer.allows(call.user, _asked(spec))
        return status.json(
            {
                "kind": "SelfSubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1",
                "metadata": {},
                "spec": spec,
                "status": {"allowed": allowed} | ({} if allowed else {"reason": "no role of this user allows it"}),
            },
            201,
        )

    return answer


def rules(authorizer: Authorizer) -> Handler:
    async def answer(call: Call) -> Response:
        given = await json_body(call)
        namespace = (given.get("spec") or {}).get("namespace", "") if isinstance(given, dict) else ""
        everything = [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]
        found = everything if "system:masters" in call.user.groups else list(authorizer.rules(call.user, namespace))
        resource = [r | {"apiGroups": r.get("apiGroups") or []} for r in found if r.get("resources")]
        other = [
            {"verbs": r["verbs"], "nonResourceURLs": r["nonResourceURLs"]} for r in found if r.get("nonResourceURLs")
        ]
        return status.json(
            {
                "kind": "SelfSubjectRulesReview",
                "apiVersion": "authorization.k8s.io/v1",
                "metadata": {},
                "spec": given.get("spec") or {},
                "status": {"resourceRules": resource, "nonResourceRules": other, "incomplete": False},
            },
            201,
        )

    return answer


def _asked(spec: dict[str, Any]) -> Info:
    if path := (spec.get("nonResourceAttributes") or {}):
        return Info(path.get("verb", "get"), path.get("path", "/"))
    asked = spec.get("resourceAttributes") or {}
    return Info(
        asked.get("verb", ""),
        "",
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("namespace", ""),
        asked.get("resource", ""),
        asked.get("name", ""),
        asked.get("subresource", ""),
    )
