"""What it costs at the edge to know who asks: a token, a key, rules, mutual TLS to the backend → rows of the table.

One real Envoy with the configuration that the translation makes, one connection at a time over loopback, and for a backend a
listener of the same Envoy that answers by itself. Each way in is measured by turns with the open one beside it, so that both
see the same machine; what is told is the difference.
"""

from __future__ import annotations

import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.table import Table

from iiab_lab.engines.embedded.envoy import http
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.reconcile.ports import Applied

from ..engines.embedded.envoy import gateway, mesh
from ..engines.embedded.envoy.askers import Issuer
from ..engines.embedded.envoy.tier_1 import Tier1
from ..engines.embedded.envoy.tier_2 import running_lab
from ..engines.embedded.processes.test_proxy import POD, free_port
from ..golden.world import real

PAIRS, REQUESTS, TENANTS = 10, 2000, 100
_SECRET = "backend"
_POLICY: Object = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "SecurityPolicy"}


class Way(NamedTuple):
    """One way in: what a request carries, and by turns so."""

    path: str
    headers: tuple[str, ...] = ("",)


class Seen(NamedTuple):
    """Seconds of each request, and Envoy's processor time of one."""

    times: list[float]
    processor: float


def rows(table: Table) -> None:
    with tempfile.TemporaryDirectory(prefix="iiab-bench-") as folder, running_lab(Path(folder), Tier1) as lab:
        edge = _Edge(lab)
        one = edge.apply(1)
        token = one[0].token(tenant="a-0", scope="infer")
        bearer = f"authorization: Bearer {token}\r\n"
        plain = edge.measured(Way("/open"))
        base = f"{_p50(plain) * 1e3:.3f} / {_p99(plain) * 1e3:.3f} ms, {plain.processor * 1e6:.0f} µs"
        table.add_row("the edge alone: p50 / p99, CPU per request", base, "–")
        ways = {
            "a token (JWT, seen before)": Way("/jwt", (bearer,)),
            "an API key": Way("/key", ("x-api-key: secret\r\n",)),
            "rules (CEL, an address range, a header)": Way("/rules", ("x-who: friend\r\n",)),
            "mutual TLS to the backend": Way("/mtls"),
            "a token and the rules about it": Way("/t/0", (bearer,)),
        }
        for name, way in ways.items():
            table.add_row(f"{name}: added p50 / p99, CPU per request", edge.added(way), "–")
        first = Way("/jwt", _bearers(one[0], PAIRS * REQUESTS // 10))
        table.add_row("a token seen for the first time: the same", edge.added(first, REQUESTS // 10), "–")
        crowd = edge.apply(TENANTS)
        for name, at in (("the first", 0), ("the last", TENANTS - 1)):
            own = crowd[at].token(tenant=f"a-{at}", scope="infer")
            way = Way(f"/t/{at}", (f"authorization: Bearer {own}\r\n",))
            table.add_row(f"{TENANTS} tenants, {name}'s token and rules: the same", edge.added(way), "–")


class _Edge:
    def __init__(self, lab: Tier1) -> None:
        self._lab, self._backend, self._secured = lab, free_port(), free_port()
        self._issuers: list[Issuer] = []

    def apply(self, tenants: int) -> list[Issuer]:
        """The ways in, and so many tenants with an issuer, a route and a policy each."""
        while len(self._issuers) < tenants:
            self._issuers.append(Issuer(f"issuer-{len(self._issuers)}.example"))
        made = gateway.translate(*_objects(self._issuers, self._backend, self._secured), ports=self._lab.ports)
        snapshot = made.snapshot
        own = {"open": http.ready(self._backend, "/ready"), "secured": _secured(self._secured)}
        listeners = {**snapshot.listeners, **{name: {**one, "name": name} for name, one in own.items()}}
        material = real({"chain": "CERTIFICATE", "key": "KEY"})
        secret = http.certificate(_SECRET, material["chain"], material["key"])
        snapshot = replace(snapshot, listeners=listeners, secrets={**snapshot.secrets, _SECRET: secret})
        outcome = self._lab.wait(self._lab._proxy.apply(POD, snapshot))
        assert outcome == Applied(), outcome
        return self._issuers

    def added(self, way: Way, requests: int = REQUESTS) -> str:
        """Of all pairs together; the order within a pair turns, too."""
        found: dict[Way, list[Seen]] = {way: [], Way("/open"): []}
        for pair in range(PAIRS):
            part = way.headers[pair * requests :][:requests] if len(way.headers) > 1 else way.headers
            both = [(way, Way(way.path, part)), (Way("/open"), Way("/open"))]
            for key, asked in both if pair % 2 else reversed(both):
                found[key].append(self.measured(asked, requests))
        theirs, open_ = (_all(found[key]) for key in (way, Way("/open")))
        p50, p99 = (_p50(theirs) - _p50(open_)) * 1e3, (_p99(theirs) - _p99(open_)) * 1e3
        return f"{p50:+.3f} / {p99:+.3f} ms, {(theirs.processor - open_.processor) * 1e6:+.0f} µs"

    def measured(self, way: Way, requests: int = REQUESTS) -> Seen:
        """One after the other on one connection; the first few only warm it."""
        texts = [_request(way.path, header) for header in way.headers]
        with socket.create_connection(("127.0.0.1", self._lab.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(20):
                _answered(connection, _request("/open", ""))
            before, times = self._processor(), []
            for number in range(requests):
                began = time.perf_counter()
                _answered(connection, texts[number % len(texts)])
                times.append(time.perf_counter() - began)
            return Seen(times, (self._processor() - before) / requests)

    def _processor(self) -> float:
        """Seconds, of all of Envoy's threads: in nanoseconds where the kernel tells, else in hundredths."""
        envoy = _envoy()
        told = [*Path(f"/proc/{envoy.pid}/task").glob("*/schedstat")]
        if told:
            return sum(int(file.read_text().split()[0]) for file in told) / 1e9
        return sum(envoy.cpu_times()[:2])


def _objects(issuers: Sequence[Issuer], backend: int, secured: int) -> Iterator[Object]:
    ca = real({"ca": "CA"})["ca"]
    edge = gateway.gateway()
    edge["spec"]["infrastructure"] = {
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"}
    }
    yield from (
        edge,
        *mesh.service("open", {"open": backend}),
        *mesh.service("secured", {"secured": secured}),
    )
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta("ca"), "data": {"ca.crt": ca}}
    yield _tls_policy()
    yield _secret("keys", {"client": "secret"})
    yield _secret("client", real({"tls.crt": "CERTIFICATE", "tls.key": "KEY"}), "gateways")
    yield _proxy()
    yield from (_route(name, name) for name in ("open", "jwt", "key", "rules"))
    yield _route("mtls", "mtls", "secured")
    yield _policy("jwt", jwt={"providers": [_provider(issuers[0])]})
    yield _policy("key", apiKeyAuth={"credentialRefs": [{"name": "keys"}], "extractFrom": [{"headers": ["x-api-key"]}]})
    yield _policy("rules", authorization=_rules())
    for number, issuer in enumerate(issuers):
        yield _route(f"t-{number}", f"t/{number}")
        wanted = {"jwt": {"providers": [_provider(issuer)]}, "authorization": _owns(f"a-{number}")}
        yield _policy(f"t-{number}", **wanted)


def _meta(name: str, namespace: str = "shop") -> Object:
    return {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}


def _route(name: str, path: str, backend: str = "open") -> Object:
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/ready"}}}]
    match = [{"path": {"type": "Exact", "value": f"/{path}"}}]
    return gateway.route([{"matches": match, "filters": filters, "backendRefs": gateway.to(backend)}], name=name)


def _policy(name: str, **spec: Any) -> Object:
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name}
    return {**_POLICY, "metadata": _meta(name), "spec": {"targetRefs": [target], **spec}}


def _provider(issuer: Issuer) -> Object:
    return {
        "name": "identity",
        "issuer": f"https://{issuer.name}",
        "audiences": ["models"],
        "localJWKS": {"type": "Inline", "inline": issuer.jwks()},
        "claimToHeaders": [{"claim": "tenant", "header": "x-jwt-tenant"}, {"claim": "sub", "header": "x-jwt-sub"}],
    }


def _owns(tenant: str) -> Object:
    """As the platform's own policy says it."""
    contradiction = f"'x-tenant' in request.headers && request.headers['x-tenant'] != '{tenant}'"
    token = {"provider": "identity", "scopes": ["infer"], "claims": [{"name": "tenant", "values": [tenant]}]}
    rules = [{"action": "Deny", "cel": contradiction}, {"action": "Allow", "principal": {"jwt": token}}]
    return {"defaultAction": "Deny", "rules": rules}


def _rules() -> Object:
    contradiction = "'x-tenant' in request.headers && request.headers['x-tenant'] != 'a'"
    who = {"clientCIDRs": ["127.0.0.0/8"], "headers": [{"name": "x-who", "values": ["friend"]}]}
    return {"rules": [{"action": "Deny", "cel": contradiction}, {"action": "Allow", "principal": who}]}


def _secret(name: str, text: dict[str, str], namespace: str = "shop") -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name, namespace), "stringData": text}


def _tls_policy() -> Object:
    validation = {"hostname": "a.example", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
    spec = {"targetRefs": [{"group": "", "kind": "Service", "name": "secured"}], "validation": validation}
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy"}
    return {**kind, "metadata": _meta("secured"), "spec": spec}


def _proxy() -> Object:
    certificate = {"name": "client", "kind": "Secret", "group": ""}
    kind = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy"}
    return {
        **kind,
        "metadata": _meta("proxy", "gateways"),
        "spec": {"backendTLS": {"clientCertificateRef": certificate}},
    }


def _secured(port: int) -> Any:
    """The same backend for whoever shows a certificate."""
    made = http.ready(port, "/ready")
    (chain,) = made["filter_chains"]
    return {
        **made,
        "filter_chains": [{**chain, "transport_socket": http.downstream_tls(_SECRET, real({"a": "CA"})["a"])}],
    }


def _bearers(issuer: Issuer, count: int) -> tuple[str, ...]:
    tokens = (issuer.token(tenant="a-0", scope="infer", jti=str(number)) for number in range(count))
    return tuple(f"authorization: Bearer {token}\r\n" for token in tokens)


def _request(path: str, header: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: web.example.org\r\n{header}\r\n".encode()


def _answered(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += connection.recv(65536)
    assert seen.startswith(b"HTTP/1.1 200"), seen[:200]


def _envoy() -> psutil.Process:
    (found,) = (one for one in psutil.Process().children(recursive=True) if one.name().startswith("envoy"))
    return found


def _all(seen: Sequence[Seen]) -> Seen:
    return Seen([time for one in seen for time in one.times], statistics.median(one.processor for one in seen))


def _p50(seen: Seen) -> float:
    return statistics.median(seen.times)


def _p99(seen: Seen) -> float:
    return sorted(seen.times)[int(0.99 * len(seen.times))]
