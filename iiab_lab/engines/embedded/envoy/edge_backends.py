"""A backendRef → the cluster that leads there, verified over TLS where a BackendTLSPolicy asks for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..objects.kinds import BACKEND_TLS_POLICY, CONFIG_MAP, SERVICE, Key
from ..objects.meta import Object
from . import http
from .world import World, backend

Resource = dict[str, Any]

CLIENT_CERTIFICATE = "backend-client-certificate"
_HTTP2 = "kubernetes.io/h2c"


class Backends:
    """Of one translation: a Service that many routes lead to is looked up once."""

    def __init__(self, world: World, client_certificate: bool) -> None:
        """`client_certificate`: whether the Gateway has one to show."""
        self._world, self._client_certificate = world, client_certificate
        self._known: dict[tuple[Key, int], _Found] = {}

    def cluster(self, service: Key, port: int, name: str, *, http2: bool = False) -> Resource:
        """`http2`: whoever asks speaks nothing else, whatever the Service says of its port."""
        if (service, port) not in self._known:
            self._known[service, port] = self._find(service, port)
        found = self._known[service, port]
        return http.cluster(name, http.fixed(name, found.addresses), found.tls, http2=http2 or found.http2)

    def _find(self, service: Key, port: int) -> _Found:
        found = backend(self._world, service, port)
        addresses, tls = found.addresses if found else [], None
        given = _port(self._world, service, port)
        if policy := _tls_policy(self._world, service, given.get("name")):
            tls = _tls(self._world, service, policy, self._client_certificate)
            addresses = addresses if tls else []  # TLS is asked for and cannot be verified: nobody is reached
        return _Found(addresses, tls, given.get("appProtocol") == _HTTP2)


class _Found(NamedTuple):
    addresses: list[tuple[str, int]]
    tls: Resource | None
    http2: bool


def _port(world: World, service: Key, number: int) -> Object:
    spec = (world.get(SERVICE, service) or {}).get("spec") or {}
    return next((port for port in spec.get("ports") or () if port["port"] == number), {})


def _tls(world: World, service: Key, policy: Object, client_certificate: bool) -> Resource | None:
    """What a BackendTLSPolicy says, with the Gateway's client certificate where it has one; None without its CA."""
    validation = policy["spec"]["validation"]
    ca = ""
    for reference in validation.get("caCertificateRefs") or ():
        found = world.get(CONFIG_MAP, Key(service.namespace, reference["name"])) or {}
        ca += (found.get("data") or {}).get("ca.crt", "")
    if not ca:
        return None
    sans = [{"san_type": "DNS", "matcher": {"exact": validation["hostname"]}}]
    return http.upstream_tls(validation["hostname"], ca, sans, CLIENT_CERTIFICATE if client_certificate else "")


def _tls_policy(world: World, service: Key, port: str | None) -> Object | None:
    """The policy that names the port goes before the one that names the whole Service."""
    candidates = [
        (target.get("sectionName") != port, policy["metadata"]["name"], policy)
        for policy in world.list(BACKEND_TLS_POLICY, service.namespace)
        for target in policy["spec"]["targetRefs"]
        if (target["kind"], target["name"]) == ("Service", service.name) and target.get("sectionName") in (None, port)
    ]
    return min(candidates, key=lambda one: one[:2])[2] if candidates else None
