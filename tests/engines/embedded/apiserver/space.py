"""One namespace, by short words: quotas, limits and Pods in it."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.kube import Kube

Amounts = dict[str, str]


class Space:
    """One namespace, by short words."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube, self.name, self.path = kube, name, f"/api/v1/namespaces/{name}"

    def make(self, plural: str, name: str, spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        body = {"metadata": {"name": name}} | ({"spec": spec} if spec is not None else {}) | more
        made: dict[str, Any] = self.kube.raw("POST", f"{self.path}/{plural}", json=body).json()
        return made

    def pod(self, name: str, requests: Amounts | None = None, limits: Amounts | None = None, **spec: Any) -> Any:
        resources = ({"requests": requests} if requests else {}) | ({"limits": limits} if limits else {})
        container = {"name": "main", "image": "x"} | ({"resources": resources} if resources else {})
        return self.make("pods", name, {"containers": [container]} | spec)

    def quota(self, name: str, hard: Amounts, *scopes: str) -> None:
        self.make("resourcequotas", name, {"hard": hard} | ({"scopes": list(scopes)} if scopes else {}))

    def used(self, name: str) -> Amounts:
        quota = self.kube.raw("GET", f"{self.path}/resourcequotas/{name}").json()
        found: Amounts = (quota.get("status") or {}).get("used") or {}
        return found

    def limits(self, *items: dict[str, Any]) -> dict[str, Any]:
        return self.make("limitranges", "limits", {"limits": list(items)})

    def remove(self, what: str) -> None:
        self.kube.raw("DELETE", f"{self.path}/{what}", params={"gracePeriodSeconds": "0"})


@pytest.fixture
def ns(kube: Kube, space: str) -> Space:
    return Space(kube, space)
