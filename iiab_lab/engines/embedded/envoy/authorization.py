"""Istio AuthorizationPolicies → Envoy RBAC filters: DENY first, then ALLOW; an ALLOW policy without rules denies all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..objects.meta import Object, labels_of
from .http import http_filter

Resource = dict[str, Any]

_ANY: Resource = {"any": True}


def selecting(policies: Sequence[Object], pod: Object, root: str) -> list[Object]:
    """Those that apply to a Pod: of its namespace or of the root namespace, and with a selector that matches."""
    found = []
    for policy in policies:
        wanted = ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        here = policy["metadata"]["namespace"] in (pod["metadata"]["namespace"], root)
        if here and wanted.items() <= labels_of(pod).items():
            found.append(policy)
    return found


def filters(policies: Sequence[Object]) -> list[Resource]:
    made = []
    for action in ("DENY", "ALLOW"):
        chosen = [policy for policy in policies if (policy.get("spec") or {}).get("action", "ALLOW") == action]
        if chosen:
            rules = {"action": action, "policies": _policies(chosen)}
            made.append(http_filter("rbac", rules=rules, rules_stat_prefix=f"istio_{action.lower()}_"))
    return made


def _policies(chosen: Sequence[Object]) -> Resource:
    made = {}
    for policy in chosen:
        name = f"ns[{policy['metadata']['namespace']}]-policy[{policy['metadata']['name']}]"
        for index, rule in enumerate((policy.get("spec") or {}).get("rules") or ()):
            made[f"{name}-rule[{index}]"] = {"permissions": _permissions(rule), "principals": _principals(rule)}
    return made


def _principals(rule: Object) -> list[Resource]:
    sources = [item.get("source") or {} for item in rule.get("from") or ()]
    return [_source(source) for source in sources] or [_ANY]


def _source(source: Object) -> Resource:
    """Every field that is given must match; of a field's values, one."""
    parts = []
    if source.get("principals"):
        parts.append(_either([_identity(_spiffe(value)) for value in source["principals"]]))
    if source.get("namespaces"):
        matchers = [
            {"safe_regex": {"regex": f"spiffe://[^/]+/ns/{_glob(value)}/sa/.*"}} for value in source["namespaces"]
        ]
        parts.append(_either([_identity(matcher) for matcher in matchers]))
    return {"and_ids": {"ids": parts}} if parts else _ANY


def _identity(matcher: Resource) -> Resource:
    return {"authenticated": {"principal_name": matcher}}


def _either(ids: list[Resource]) -> Resource:
    return {"or_ids": {"ids": ids}}


def _spiffe(value: str) -> Resource:
    """Istio writes principals without the scheme; `*` stands for any, at the start or at the end."""
    if value == "*":
        return {"prefix": "spiffe://"}
    if value.endswith("*"):
        return {"prefix": f"spiffe://{value[:-1]}"}
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"exact": f"spiffe://{value}"}


def _permissions(rule: Object) -> list[Resource]:
    operations = [item.get("operation") or {} for item in rule.get("to") or ()]
    return [_operation(operation) for operation in operations] or [_ANY]


def _operation(operation: Object) -> Resource:
    parts: list[Resource] = []
    if operation.get("methods"):
        methods = [{"header": {"name": ":method", "string_match": _string(value)}} for value in operation["methods"]]
        parts.append({"or_rules": {"rules": methods}})
    if operation.get("paths"):
        listed = [{"url_path": {"path": _string(value)}} for value in operation["paths"]]
        parts.append({"or_rules": {"rules": listed}})
    return {"and_rules": {"rules": parts}} if parts else _ANY


def _string(value: str) -> Resource:
    if value == "*":
        return {"safe_regex": {"regex": ".+"}}
    if value.endswith("*"):
        return {"prefix": value[:-1]}
    return {"suffix": value[1:]} if value.startswith("*") else {"exact": value}


def _glob(value: str) -> str:
    return re.escape(value).replace(r"\*", "[^/]*")
