"""AuthorizationPolicies that apply to a Pod → Envoy's RBAC filters: AUDIT only tells, DENY goes before ALLOW.

Once there is an ALLOW policy, what none of them allows is refused; one without rules allows nothing. A policy that is only
tried (istio.io/dry-run) becomes shadow rules: they leave their verdict in the access log and in statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..objects.meta import Object, annotations_of
from . import rbac
from .http import http_filter

Resource = dict[str, Any]

_METADATA = "%DYNAMIC_METADATA(envoy.filters.http.rbac:{})%"
_DRY_RUN, _TRUE = "istio.io/dry-run", ("1", "t", "T", "TRUE", "true", "True")
_ACTIONS = {"AUDIT": "LOG", "DENY": "DENY", "ALLOW": "ALLOW"}
AUDITED = {"audit": _METADATA.format("istio_audit_shadow_effective_policy_id")}


def filters(policies: Sequence[Object], ports: Mapping[int, int]) -> list[Resource]:
    """`ports`: containerPort → the workload's port on loopback."""
    made = []
    for action in _ACTIONS:
        chosen = of_action(policies, action)
        enforced = [policy for policy in chosen if not _tried(policy)]
        tried = [policy for policy in chosen if _tried(policy)]
        if chosen:
            made.append(_filter(action, _rules(action, enforced, ports), _rules(action, tried, ports)))
    return made


def of_action(policies: Iterable[Object], action: str) -> list[Object]:
    return [policy for policy in policies if (policy.get("spec") or {}).get("action", "ALLOW") == action]


def log(policies: Sequence[Object]) -> dict[str, str]:
    """More for the access log: which AUDIT policy matched, and what policies would say that are only tried."""
    fields = AUDITED if of_action(policies, "AUDIT") else {}
    for action in ("ALLOW", "DENY"):
        if any(_tried(policy) for policy in of_action(policies, action)):
            prefix = f"istio_dry_run_{action.lower()}_shadow"
            fields = fields | {
                f"dry_run_{action.lower()}": _METADATA.format(f"{prefix}_engine_result"),
                f"dry_run_{action.lower()}_policy": _METADATA.format(f"{prefix}_effective_policy_id"),
            }
    return fields


def named_rules(policies: Iterable[Object], ports: Mapping[int, int], prefix: str = "") -> Resource:
    """ns[…]-policy[…]-rule[…] → Envoy's policy: the name that a refusal tells. Without rules, one that never matches."""
    made: Resource = {}
    for policy in policies:
        meta = policy["metadata"]
        name = f"{prefix}ns[{meta['namespace']}]-policy[{meta['name']}]"
        place = rbac.Place(meta["namespace"], ports)
        listed = [rbac.policy(rule, place) for rule in (policy.get("spec") or {}).get("rules") or ()]
        made |= {f"{name}-rule[{index}]": one for index, one in enumerate(listed or [rbac.NEVER])}
    return made


def _filter(action: str, enforced: Resource, tried: Resource) -> Resource:
    config: Resource = {"rules_stat_prefix": f"istio_{action.lower()}_"}
    if enforced["policies"]:
        config["rules"] = enforced
    if tried["policies"]:
        config |= {"shadow_rules": tried, "shadow_rules_stat_prefix": f"istio_dry_run_{action.lower()}_"}
    if action == "AUDIT":  # Envoy only flags a request that LOG matched; its shadow names the policy too
        config |= {"shadow_rules": enforced, "shadow_rules_stat_prefix": "istio_audit_"}
    return http_filter("rbac", **config)


def _rules(action: str, policies: Iterable[Object], ports: Mapping[int, int]) -> Resource:
    return {"action": _ACTIONS[action], "policies": named_rules(policies, ports)}


def _tried(policy: Object) -> bool:
    return annotations_of(policy).get(_DRY_RUN, "") in _TRUE
