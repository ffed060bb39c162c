"""What a translation may read: objects by kind and name. The controllers' client is one; tests make one from YAML."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..objects.kinds import ENDPOINT_SLICE, PEER_AUTHENTICATION, POD, REVISION, SECRET, SERVICE, Key, Kind
from ..objects.meta import Object, labels_of
from ..objects.names import KN_REVISION, KN_SERVICE_TYPE, SERVICE_NAME
from ..objects.pods import has_proxy, ports
from . import peer_authentication
from .policies import ROOT

IDENTITY = "default"  # the secret that holds a workload's own certificate


class World(Protocol):
    def get(self, kind: Kind, key: Key) -> Object | None: ...

    def list(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Object]: ...


class Backend(NamedTuple):
    """Where a Service's port leads: ready addresses, the service accounts of the Pods behind them, and whether any of
    those takes mutual TLS: it has a sidecar, and no PeerAuthentication disables it there."""

    addresses: list[tuple[str, int]]
    accounts: list[tuple[str, str]]  # (namespace, name), sorted
    meshed: bool

    @property
    def plain(self) -> bool:
        """There is somebody, who has no certificate to show."""
        return bool(self.accounts) and not self.meshed


def backend(world: World, service: Key, port: int, labels: Mapping[str, str] | None = None) -> Backend | None:
    """None where there is no such Service or port. `labels`: only addresses of Pods that have them."""
    found = world.get(SERVICE, service)
    declared = ((found or {}).get("spec") or {}).get("ports") or ()
    named = next((item.get("name", "") for item in declared if item["port"] == port), None)
    if named is None:
        return None
    addresses: list[tuple[str, int]] = []
    accounts, meshed = _always(world, found) if found else set(), False
    nobody = bool(accounts)
    for piece in world.list(ENDPOINT_SLICE, service.namespace, {SERVICE_NAME: service.name}):
        own = next((item["port"] for item in piece.get("ports") or () if item.get("name", "") == named), None)
        for endpoint in piece["endpoints"]:
            target = endpoint.get("targetRef") or {}
            pod = world.get(POD, Key(target.get("namespace", service.namespace), target.get("name", "")))
            if pod is not None:
                nobody = False
                accounts.add((pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")))
                meshed |= takes_mtls(world, pod, own)
            wanted = (labels or {}).items() <= (labels_of(pod) if pod else {}).items()
            if own and wanted and (endpoint.get("conditions") or {}).get("ready"):
                addresses += [(address, own) for address in endpoint["addresses"]]
    return Backend(sorted(addresses), sorted(accounts), meshed or nobody)


def takes_mtls(world: World, pod: Object, own: int | None) -> bool:
    """`own`: the port on loopback, of which the Pod's annotation tells the containerPort."""
    if not has_proxy(pod):
        return False
    inside = next((port for port, outside in ports(pod).items() if outside == own), 0)
    # Asked of every endpoint: only those policies are looked at that may speak of this Pod.
    scopes = {pod["metadata"]["namespace"], ROOT}
    policies = [one for scope in scopes for one in world.list(PEER_AUTHENTICATION, scope)]
    mode = peer_authentication.mode(policies, pod, inside)
    return mode != peer_authentication.DISABLE


def _always(world: World, service: Object) -> set[tuple[str, str]]:
    """Behind a revision's Service stand its Pods or the activator. Both are known before, so that nothing but the endpoints
    changes when one takes the other's place: whoever follows those keeps its connections."""
    if labels_of(service).get(KN_SERVICE_TYPE) != "Public":
        return set()
    meta = service["metadata"]
    revision = world.get(REVISION, Key(meta["namespace"], labels_of(service).get(KN_REVISION, ""))) or {"spec": {}}
    own = (meta["namespace"], revision["spec"].get("serviceAccountName", "default"))
    return {own, ("knative-serving", "activator")}


def spiffe(namespace: str, account: str) -> str:
    return f"spiffe://cluster.local/ns/{namespace}/sa/{account}"


def secret_text(world: World, key: Key, field: str) -> str | None:
    data = (world.get(SECRET, key) or {}).get("data") or {}
    return base64.b64decode(data[field]).decode() if field in data else None
