"""Past the edge: straight to a Pod, to tier 2, to the activator, to what a proxy tells of itself, to the Kubernetes API."""

from __future__ import annotations

import ssl
import uuid
import warnings
from dataclasses import dataclass, replace

from .. import wire
from ..attack import (
    ACTIVATOR,
    API_SERVER,
    EDGE,
    FLOWER,
    PREDICT,
    PROMETHEUS,
    SIDECAR,
    TIER_2,
    Api,
    Ask,
    Attack,
    Outcome,
)
from ..stage import Stage

_HOST = "sklearn-iris.tenant-a.example.com"
_RIGHT = {SIDECAR: "ingress", TIER_2: "edge", ACTIVATOR: "ingress"}
_NAMESPACE = {SIDECAR: "tenant-a", TIER_2: "istio-system", ACTIVATOR: "knative-serving"}
_REVISION = (
    ("knative-serving-namespace", "tenant-a"),
    ("knative-serving-revision", "sklearn-iris-predictor-00001"),
)
_TRUST, _AUTH = "API8:2023; zero trust", "API2:2023; CWE-290"


@dataclass(frozen=True)
class Spoken:
    """A prediction over the edge's TLS in one version of it and no other, with whatever ciphers that has."""

    version: ssl.TLSVersion

    def __call__(self, stage: Stage) -> Outcome:
        own, door, tls = str(uuid.uuid4()), stage.door("edge-h2"), stage.trust("edge")
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            tls.minimum_version = tls.maximum_version = self.version
        sent = {
            "host": "localhost",
            "authorization": stage.fill("Bearer <token:tenant-a>"),
            "content-type": "application/json",
        }
        data = wire.framed("POST", PREDICT, [*sent.items()], FLOWER.encode())
        reply = wire.exchange(door.address, data, tls, door.name)
        return Outcome(reply.status, reply.body, (own, reply.headers.get("x-request-id", own)))


def _ask(door: str, shows: str) -> Ask:
    """A prediction, straight to the door; the activator is told of which revision."""
    headers = _REVISION if door == ACTIVATOR else ()
    return Ask(door=door, shows=shows, bearer="", host=_HOST, headers=headers, patience=3)


def _shown(door: str, shows: str, tries: str, *statuses: str, metric: str = "", source: str = _AUTH) -> Attack:
    counted = f'{metric}{{namespace="{_NAMESPACE[door]}"}}' if metric else ""
    sent, right = _ask(door, shows), _ask(door, _RIGHT[door])
    return Attack(f"{door}-{shows}", "bypass", source, tries, sent, (door,), statuses, right, metric=counted, slow=True)


def _other(door: str, shows: str, tries: str) -> Attack:
    """A tenant's NetworkPolicy cuts it off before its AuthorizationPolicy refuses it."""
    if door == SIDECAR:
        return _shown(door, shows, tries, "closed", metric="envoy_rbac_denied")
    return _shown(door, shows, tries, "403")


def _door(door: str, what: str) -> tuple[Attack, ...]:
    return (
        _shown(door, "plaintext", f"plaintext to {what}", "closed", metric="envoy_listener_ssl_connection_error", source=_TRUST),
        _shown(door, "none", f"TLS without a certificate to {what}", "closed", metric="envoy_listener_ssl_fail_verify_no_cert", source=_TRUST),
        _shown(door, "foreign", f"the right name, from a CA of nobody's, to {what}", "closed", metric="envoy_listener_ssl_fail_verify_error"),
        _other(door, "tenant-b", f"another tenant's workload at {what}"),
        _other(door, "longer", f"a name that begins as the right one, at {what}"),
        _other(door, "other-domain", f"the right name but for a dot, at {what}"),
    )  # fmt: skip


def _stats(id_: str, method: str, path: str, tries: str) -> Attack:
    """The port on which a proxy shows its metrics, and nothing else."""
    sent, honest = Ask(path, method, "", door="stats"), Ask("/stats/prometheus", "GET", "", door="stats", patience=10)
    return Attack(id_, "bypass", "API8:2023; CWE-489", tries, sent, (EDGE,), ("404",), honest)


def _kube(
    id_: str, actor: str, path: str, tries: str, *statuses: str, headers: tuple[tuple[str, str], ...] = ()
) -> Attack:
    sent, honest = Api(path, actor, headers=headers), Api(path, "admin")
    return Attack(id_, "bypass", "API2:2023", tries, sent, (API_SERVER,), statuses or ("401",), honest)


_EVERY = "/api/v1/secrets"
_METRICS = Ask("/api/v1/query?query=up", "GET", "", host="prometheus.inference-in-a-box")

ATTACKS = (
    *_door(SIDECAR, "the model's Pod"),
    _other(SIDECAR, "edge", "the edge's own identity at the model's Pod: tier 2 left out"),
    _shown(SIDECAR, "prometheus", "who may ask a Pod for its metrics asks for a prediction", "403"),
    *_door(TIER_2, "tier 2"),
    _shown(TIER_2, "ingress", "tier 2's own identity at tier 2", "403"),
    *_door(ACTIVATOR, "the activator"),
    _shown(ACTIVATOR, "edge", "the edge's own identity at the activator: tier 2 left out", "403"),
    Attack(
        "activator-elsewhere", "bypass", "API7:2023", "through tier 2, to an address of one's own choice",
        replace(_ask(TIER_2, "edge"), headers=(("x-activator-backend", "<api-server>"), ("x-activator-plain", "true"))),
        ("model",), ("200",), _ask(TIER_2, "edge"), says="predictions",
    ),
    _stats("admin-quit", "POST", "/quitquitquit", "a proxy told to end, at its metrics' port"),
    _stats("admin-config", "GET", "/config_dump?include_eds", "a proxy's configuration and keys"),
    _stats("admin-logging", "POST", "/logging?level=trace", "a proxy told to log everything"),
    _stats("admin-drain", "POST", "/drain_listeners", "a proxy told to take no more"),
    _stats("admin-path", "GET", "/stats/prometheus/../../config_dump", "the same, out of the one path that is open"),
    Attack(
        "prometheus-reload", "bypass", "API8:2023", "Prometheus told to read its configuration again",
        Ask("/-/reload", "POST", "", door="prometheus"), (PROMETHEUS,), ("403", "404", "405"),
        Ask("/api/v1/query?query=up", "GET", "", door="prometheus"),
    ),
    Attack(
        "prometheus-admin", "bypass", "API8:2023", "Prometheus told to forget",
        Ask("/api/v1/admin/tsdb/clean_tombstones", "POST", "", door="prometheus"), (PROMETHEUS,), ("403", "404", "405", "500", "503"),
        Ask("/api/v1/query?query=up", "GET", "", door="prometheus"), says="admin APIs disabled",
    ),
    Attack(
        "prometheus-tenant", "bypass", "API5:2023", "everybody's metrics, with a tenant's token",
        replace(_METRICS, bearer="tenant-b"), (EDGE,), ("401",), replace(_METRICS, bearer="admin"),
    ),
    Attack(
        "prometheus-nobody", "bypass", "API2:2023", "everybody's metrics, without a token",
        _METRICS, (EDGE,), ("401",), replace(_METRICS, bearer="admin"),
    ),
    Attack(
        "edge-old-tls", "bypass", "API8:2023; RFC 8996", "TLS 1.1, which can be broken, at the edge",
        Spoken(ssl.TLSVersion.TLSv1_1), (EDGE,), ("closed",), Spoken(ssl.TLSVersion.TLSv1_2),
        metric='envoy_listener_ssl_connection_error{namespace="envoy-gateway-system"}',
    ),
    _kube("kube-anonymous", "nobody", _EVERY, "every Secret, as nobody"),
    _kube("kube-anonymous-metrics", "nobody", "/metrics", "the API server's metrics, as nobody"),
    _kube("kube-edge-token", "tenant-a", _EVERY, "every Secret, with a token for the edge"),
    _kube("kube-admins-token", "token-of-admin", _EVERY, "every Secret, with the edge admin's token"),
    _kube("kube-alg-none", "kubernetes-none", _EVERY, "every Secret, with an unsigned account"),
    _kube("kube-foreign-key", "kubernetes-ours", _EVERY, "every Secret, as an account that the edge's key signs"),
    _kube("kube-remote-user", "nobody", _EVERY, "every Secret, as whom a header names",
          headers=(("x-remote-user", "kubernetes-admin"), ("x-remote-group", "system:masters"))),
    _kube("kube-basic", "nobody", _EVERY, "every Secret, by a password", headers=(("authorization", "Basic YWRtaW46YWRtaW4="),)),
    _kube("kube-other-tenant", "tenant-b", _EVERY, "every Secret, with a tenant's kubeconfig", "403"),
    _kube("kube-impersonate", "tenant-b", _EVERY, "every Secret, acting for the administrator", "403",
          headers=(("impersonate-user", "kubernetes-admin"), ("impersonate-group", "system:masters"))),
    _kube("kube-signing-key", "tenant-b", "/api/v1/namespaces/identity/secrets/identity-signing-keys", "the key that signs tokens", "403"),
    _kube("kube-mesh-ca", "tenant-b", "/api/v1/namespaces/istio-system/secrets/cacerts", "the mesh's CA", "403"),
    _kube("kube-root-ca", "tenant-b", "/api/v1/namespaces/cert-manager/secrets/lab-root-ca", "the root of all certificates", "403"),
)  # fmt: skip
