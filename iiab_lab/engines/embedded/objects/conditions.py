"""Conditions: the two dialects Kubernetes speaks, as pure functions on lists of dicts.

`metav1` conditions (Gateway API, cert-manager, Envoy Gateway, Deployments) carry observedGeneration where the
kind has it; Knative's and KServe's omit it and keep status.observedGeneration instead. Both keep
lastTransitionTime unless the status flips.
"""

from __future__ import annotations

from typing import Any

Condition = dict[str, Any]


def condition(
    type_: str, status: str | bool, reason: str = "", message: str = "", *, now: str, **extra: Any
) -> Condition:
    """One condition; `now` is RFC 3339. Empty reason and message are left out, as Knative does."""
    value = status if isinstance(status, str) else str(status)
    made: Condition = {"type": type_, "status": value, "lastTransitionTime": now}
    made |= {"reason": reason} if reason else {}
    made |= {"message": message} if message else {}
    return made | extra


def merge(old: list[Condition] | None, new: list[Condition]) -> list[Condition]:
    """`new`, each with the lastTransitionTime of `old` where its status did not change."""
    before = {item["type"]: item for item in old or []}
    return [
        item | {"lastTransitionTime": before[item["type"]].get("lastTransitionTime", item["lastTransitionTime"])}
        if item["type"] in before and before[item["type"]]["status"] == item["status"]
        else item
        for item in new
    ]


def find(obj: dict[str, Any] | None, type_: str) -> Condition | None:
    conditions = ((obj or {}).get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == type_), None)


def is_true(obj: dict[str, Any] | None, type_: str) -> bool:
    found = find(obj, type_)
    return found is not None and found["status"] == "True"
