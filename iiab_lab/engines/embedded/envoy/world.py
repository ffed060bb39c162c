"""What a translation may read: objects by kind and name. The controllers' client is one; tests make one from YAML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..objects.kinds import ENDPOINT_SLICE, POD, SECRET, SERVICE, Key, Kind
from ..objects.meta import Object
from ..objects.names import SIDECAR


class World(Protocol):
    def get(self, kind: Kind, key: Key) -> Object | None: ...

    def list(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Object]: ...


class Backend(NamedTuple):
    """Where a Service's port leads: ready addresses, the service accounts of the Pods behind them, and whether any is meshed."""

    addresses: list[tuple[str, int]]
    accounts: list[tuple[str, str]]  # (namespace, name), sorted
    meshed: bool


def backend(world: World, service: Key, port: int) -> Backend | None:
    """None where there is no such Service or port."""
    found = world.get(SERVICE, service)
    ports = ((found or {}).get("spec") or {}).get("ports") or ()
    named = next((item.get("name", "") for item in ports if item["port"] == port), None)
    if named is None:
        return None
    addresses: list[tuple[str, int]] = []
    accounts: set[tuple[str, str]] = set()
    meshed = False
    for piece in world.list(ENDPOINT_SLICE, service.namespace, {"kubernetes.io/service-name": service.name}):
        own = next((item["port"] for item in piece.get("ports") or () if item.get("name", "") == named), None)
        for endpoint in piece["endpoints"]:
            pod = world.get(POD, Key(service.namespace, (endpoint.get("targetRef") or {}).get("name", "")))
            if pod is not None:
                accounts.add((service.namespace, pod["spec"].get("serviceAccountName", "default")))
                meshed |= any(container["name"] == SIDECAR for container in pod["spec"]["containers"])
            if own and (endpoint.get("conditions") or {}).get("ready"):
                addresses += [(address, own) for address in endpoint["addresses"]]
    return Backend(sorted(addresses), sorted(accounts), meshed)


def spiffe(namespace: str, account: str) -> str:
    return f"spiffe://cluster.local/ns/{namespace}/sa/{account}"


def secret_text(world: World, key: Key, field: str) -> str | None:
    data = (world.get(SECRET, key) or {}).get("data") or {}
    return base64.b64decode(data[field]).decode() if field in data else None
