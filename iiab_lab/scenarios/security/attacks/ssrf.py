"""Addresses that the platform is asked to call for somebody: inside, loopback, metadata services, files."""

from __future__ import annotations

import json
from typing import Any

from ..attack import API_SERVER, FLOWER, MANAGEMENT, Api, Ask, Attack

_SOURCE = "API7:2023; CWE-918"
_GROUP = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/tenant-b/securitypolicies"


def _storage(id_: str, uri: str, tries: str, source: str = _SOURCE) -> Attack:
    body = json.dumps({"name": "catalogue-ssrf", "framework": "sklearn", "storageUri": uri})
    sent = Ask("/api/models", bearer="tenant-b", body=body, door="management")
    honest = Ask(
        "/api/models/sklearn-iris", "PUT", body='{"storageUri": "pvc://models/sklearn-iris"}', door="management"
    )
    return Attack(
        f"storage-{id_}", "ssrf", source, tries, sent, (MANAGEMENT,), ("400",), honest, says="storageUri"
    )  # fmt: skip


def _connection(id_: str, settings: dict[str, Any], tries: str, source: str = _SOURCE) -> Attack:
    def ask(chosen: dict[str, Any]) -> Ask:
        body = {"inputData": json.loads(FLOWER), "connectionSettings": {"useCustom": True, **chosen}}
        return Ask("/api/models/sklearn-iris/predict", body=json.dumps(body), door="management", patience=20)

    return Attack(f"connection-{id_}", "ssrf", source, tries, ask(settings), (MANAGEMENT,), ("400",), ask({}))


def _model(id_: str, uri: str, tries: str, source: str) -> Attack:
    """An InferenceService of one's own namespace, past the management service: by kubectl."""

    def api(storage: str) -> Api:
        model = {"modelFormat": {"name": "sklearn"}, "storageUri": storage}
        body = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": "catalogue-ssrf"},
            "spec": {"predictor": {"model": model}},
        }
        path = "/apis/serving.kserve.io/v1beta1/namespaces/tenant-b/inferenceservices"
        return Api(path, "tenant-b", "POST", json.dumps(body))

    refused = ("400", "403", "422")
    return Attack(
        f"kube-{id_}", "ssrf", source, tries, api(uri), (API_SERVER,), refused, api("pvc://models/x"), ("201",)
    )


def _policy(id_: str, spec: dict[str, Any], tries: str) -> Attack:
    def api(chosen: dict[str, Any]) -> Api:
        target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "catalogue"}
        body = {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "catalogue"},
            "spec": {"targetRefs": [target], **chosen},
        }
        return Api(_GROUP, "admin", "POST", json.dumps(body))

    local = {"jwt": {"providers": [{"name": "x", "localJWKS": {"type": "Inline", "inline": '{"keys": []}'}}]}}
    refused = ("400", "403", "422")
    return Attack(id_, "ssrf", _SOURCE, tries, api(spec), (API_SERVER,), refused, api(local), ("201",))


def _remote(uri: str) -> dict[str, Any]:
    return {"jwt": {"providers": [{"name": "x", "remoteJWKS": {"uri": uri}}]}}


def _keys(id_: str, uri: str, tries: str) -> Attack:
    """A RequestAuthentication whose keys a proxy would fetch; those of a Service of the platform it may."""

    def api(address: str) -> Api:
        body = {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "catalogue"},
            "spec": {"jwtRules": [{"issuer": "catalogue", "jwksUri": address}]},
        }
        path = "/apis/security.istio.io/v1/namespaces/tenant-b/requestauthentications"
        return Api(path, "admin", "POST", json.dumps(body))

    own = "http://identity.identity.svc.cluster.local/.well-known/jwks.json"
    refused = ("400", "403", "422")
    return Attack(f"mesh-{id_}", "ssrf", _SOURCE, tries, api(uri), (API_SERVER,), refused, api(own), ("201",))


_ELSEWHERE = {"host": "x", "port": "443", "address": "169.254.169.254"}

ATTACKS = (
    _storage("loopback", "http://127.0.0.1:6443/x", "a model from loopback"),
    _storage("loopback-short", "http://127.1/x", "loopback, written short"),
    _storage("loopback-hex", "http://0x7f000001/x", "loopback, in hexadecimal"),
    _storage("loopback-number", "http://2130706433/x", "loopback, as one number"),
    _storage("loopback-v6", "http://[::1]/x", "loopback by IPv6"),
    _storage("loopback-mapped", "http://[::ffff:127.0.0.1]/x", "loopback, mapped into IPv6"),
    _storage("metadata", "http://169.254.169.254/latest/meta-data", "a cloud's metadata"),
    _storage("metadata-name", "http://metadata.google.internal/x", "a cloud's metadata, by name"),
    _storage("private", "http://10.0.0.1/x", "a private address"),
    _storage("service", "http://prometheus.monitoring.svc.cluster.local/x", "a Service of the platform"),
    _storage("kubernetes", "https://kubernetes/x", "the Kubernetes API by its short name"),
    _storage("file", "file:///etc/passwd", "a file", "CWE-73"),
    _storage("path", "/etc/passwd", "a path", "CWE-73"),
    _storage("traversal", "pvc://models/../../tenant-a/models", "out of one's volume into another's", "CWE-22"),
    _storage("traversal-claim", "pvc://../../store.db", "out of all volumes", "CWE-22"),
    _connection("loopback", {"host": "127.0.0.1"}, "a prediction sent to loopback"),
    _connection("service", {"host": "kubernetes.default.svc"}, "a prediction sent to the Kubernetes API"),
    _connection("pod", {"host": "sklearn-iris-predictor.tenant-a.svc.cluster.local"}, "a prediction past the gateway"),
    _connection("outside", {"host": "example.com"}, "a prediction sent out of the platform"),
    _connection("resolve", {"dnsResolve": [_ELSEWHERE]}, "a name that is to mean a metadata service"),
    _connection("scheme", {"protocol": "gopher"}, "another protocol"),
    _connection("authority", {"path": "//127.0.0.1/x y"}, "an address in the path"),
    _connection("host-header", {"headers": [{"key": "Host", "value": "identity.inference-in-a-box"}]}, "another host by a header"),
    _connection("line", {"headers": [{"key": "x-a\r\nx-b", "value": "1"}]}, "a line in a header", "CWE-93"),
    _connection("chunked", {"headers": [{"key": "Transfer-Encoding", "value": "chunked"}]}, "another framing by a header", "CWE-444"),
    _model("storage-file", "file:///etc", "a model from files of the machine", "CWE-73"),
    _model("storage-path", "/etc", "a model from a path of the machine", "CWE-73"),
    _model("storage-traversal", "pvc://models/../../tenant-a/models/sklearn-iris", "another's model, out of one's own volume", "API1:2023; CWE-22"),
    _policy("jwks-loopback", _remote("http://127.0.0.1:6443/x"), "a key set from loopback"),
    _policy("jwks-metadata", _remote("http://169.254.169.254/x"), "a key set from a cloud's metadata"),
    _keys("jwks-loopback", "http://127.0.0.1:6443/x", "a key set from loopback, at tier 2 or a sidecar"),
    _keys("jwks-number", "http://2130706433/x", "a key set from loopback, as one number"),
    _keys("jwks-metadata", "http://169.254.169.254/x", "a key set from a cloud's metadata"),
    _keys("jwks-outside", "https://keys.example.com/x", "a key set from out of the platform"),
    _keys("jwks-user", "http://x@identity.identity.svc.cluster.local/x", "a key set's address with a user before the host"),
    _keys("jwks-file", "file:///etc/passwd", "a key set from a file"),
    _policy("jwks-service-user", _remote("http://x@identity.identity.svc.cluster.local/x"), "a key set's address with a user before the host"),
    _policy("jwks-file", _remote("file:///etc/passwd"), "a key set from a file"),
)  # fmt: skip
