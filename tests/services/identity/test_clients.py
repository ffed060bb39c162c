"""A tenant that is no more: its keys go, then what verifies by them; another's stay, and a restart in between changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from iiab_lab.services.identity.clients import JWKS, LABEL, READERS, Clients

EDGE, HOME = "envoy-gateway-system", "identity"


class Keys:
    def __init__(self, *tenants: str) -> None:
        self.held = {*tenants}

    def tenants(self) -> set[str]:
        return {*self.held}

    def forget(self, tenant: str) -> None:
        self.held.discard(tenant)


class Core:
    """Namespaces by their labels, and ConfigMaps."""

    def __init__(self, *tenants: str) -> None:
        self.labels = {tenant: {LABEL: tenant} for tenant in tenants}
        self.labels |= {EDGE: {READERS: "tenants"}, HOME: {READERS: "true"}, "monitoring": {READERS: "true"}}
        own = {f"{tenant}.jwks": "{}" for tenant in ("blue", "green")}
        self.labels |= {"audit": {READERS: "together"}}
        self.maps = {(space, JWKS): {"jwks": "{}", **own} for space in (HOME, "audit")}
        self.maps |= {(EDGE, f"{JWKS}-{tenant}"): {"jwks": "{}"} for tenant in ("blue", "green")}

    def list_namespace(self, label_selector: str) -> Any:
        name, _, value = label_selector.partition("=")
        found = {
            space: labels for space, labels in self.labels.items() if labels.get(name) and value in ("", labels[name])
        }
        metas = [SimpleNamespace(name=space, labels=labels) for space, labels in found.items()]
        return SimpleNamespace(items=[SimpleNamespace(metadata=meta) for meta in metas])

    def read_namespaced_config_map(self, name: str, namespace: str) -> Any:
        return SimpleNamespace(data=dict(self.maps[namespace, name]))

    def patch_namespaced_config_map(self, name: str, namespace: str, body: Any) -> None:
        merged = self.maps[namespace, name] | body["data"]
        self.maps[namespace, name] = {key: value for key, value in merged.items() if value is not None}

    def delete_namespaced_config_map(self, name: str, namespace: str) -> None:
        if (namespace, name) not in self.maps:
            raise ApiException(404)
        del self.maps[namespace, name]


@pytest.mark.parametrize("known", [("blue", "green"), ("green",)], ids=["at once", "its keys went before a restart"])
def test_with_a_tenant_go_its_keys_and_what_verifies_by_them(known: tuple[str, ...]) -> None:
    core, keys = Core("green"), Keys(*known)
    Clients(core, keys, HOME)._retire()  # type: ignore[arg-type]
    assert keys.held == {"green"}
    left = {"jwks": "{}", "green.jwks": "{}"}
    assert core.maps == {(HOME, JWKS): left, ("audit", JWKS): left, (EDGE, f"{JWKS}-green"): {"jwks": "{}"}}


def test_while_all_are_there_nothing_goes() -> None:
    core, keys = Core("blue", "green"), Keys("blue", "green")
    before = dict(core.maps)
    Clients(core, keys, HOME)._retire()  # type: ignore[arg-type]
    assert keys.held == {"blue", "green"} and core.maps == before


def test_a_client_whose_last_namespace_is_gone_is_nobody() -> None:
    clients = Clients(Core(), Keys(), HOME)  # type: ignore[arg-type]
    clients._known = {"blue": {"blue": b"x", "blue-too": b"y"}}
    clients._forget("blue")
    assert "blue" in clients._known
    clients._forget("blue-too")
    assert clients._known == {} and clients.verify("blue", "x") is None
