"""A tenant against every route: another's objects are not there for it, whatever it puts in a body, a path or a header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.kube import Kube

from .lab import SETOSA, Lab
from .management import Management, password

MODEL = "theirs"
BODIES: dict[str, Any] = {
    "POST /api/models/{model}/publish": {"config": {"tenantId": "tenant-a"}},
    "PUT /api/models/{model}/publish": {"config": {"tenantId": "tenant-a", "externalPath": "/mine"}},
    "PUT /api/models/{model}": {"namespace": "tenant-a", "minReplicas": 0},
    "POST /api/models/{model}/predict": {"inputData": SETOSA, "connectionSettings": {"namespace": "tenant-a"}},
    "POST /api/models/{model}/keys": {"name": "mine", "owner": "tenant-a"},
    "POST /api/publish/test/execute": {"modelName": MODEL, "testData": SETOSA},
    "POST /api/admin/kubectl": {"command": "get pods -A"},
}
# What a tenant may ask, and what of others must not be in the answer.
OWN = (
    "/health",
    "/ca.crt",
    "/api/frameworks",
    "/api/tenant",
    "/api/models",
    "/api/published-models",
    "/api/logs",
    "/api/audit",
)
OPEN = {"/api/admin/login", "/api/validate-api-key", "/api/publish/test/validate", "/api/publish/test/history"}
# They make something, in the caller's own namespace whatever is said: see below, and test_two_tenants_models_of_one_name_do_not_meet.
MAKE = {("POST", "/api/models"), ("POST", "/api/models/{model}/upload")}


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[Management]:
    admin = Management(lab, lab.token("admin"))
    admin.create(MODEL, namespace="tenant-a")
    admin.publish(MODEL)
    yield admin
    admin.remove(MODEL)


@pytest.fixture(scope="module")
def stranger(lab: Lab, admin: Management, tokens: dict[str, str]) -> Management:
    return Management(lab, tokens["tenant-b"])


@pytest.fixture(scope="module")
def operations(admin: Management) -> list[tuple[str, str]]:
    document = admin.ok("GET", "/openapi.json")
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


def test_every_route_of_anothers_model_is_403_or_404(
    admin: Management, stranger: Management, operations: list[tuple[str, str]]
) -> None:
    before = admin.ok("GET", f"/api/models/{MODEL}/publish")
    tried = {}
    for method, path in operations:
        if path in OWN or path in OPEN or (method, path) in MAKE:
            continue
        address = (
            path.replace("{model}", MODEL).replace("{key_id}", before["keys"][0]["keyId"]).replace("{version}", "1")
        )
        for query in ("", "?namespace=tenant-a"):
            answer = stranger.call(method, address + query, BODIES.get(f"{method} {path}"))
            tried[f"{method} {path}{query}"] = answer.status_code
    assert tried and {route: code for route, code in tried.items() if code not in (403, 404)} == {}
    after = admin.ok("GET", f"/api/models/{MODEL}/publish")
    assert {k: v for k, v in after.items() if k != "usage"} == {k: v for k, v in before.items() if k != "usage"}


@pytest.mark.parametrize("query", ["", "?namespace=tenant-a", "?namespace=&limit=500"])
@pytest.mark.parametrize("path", ["/api/models", "/api/published-models"])
def test_lists_hold_nothing_of_others(admin: Management, stranger: Management, path: str, query: str) -> None:
    assert MODEL in admin.call("GET", path + query).text
    found = stranger.ok("GET", path + query)
    assert MODEL not in json.dumps(found) and found["total"] == 0


def test_no_route_answers_without_a_token_but_the_open_ones(lab: Lab, operations: list[tuple[str, str]]) -> None:
    nobody = Management(lab, "x")
    for headers, expected in (
        (None, 401),
        ({"Authorization": "Basic eA=="}, 401),
        ({"Authorization": "Bearer x.y.z"}, 403),
    ):
        nobody.session.headers.clear()
        nobody.session.headers.update(headers or {})
        for method, path in operations:
            if path in {"/health", "/ca.crt", "/api/frameworks", "/api/admin/login", "/api/validate-api-key"}:
                continue
            address = path.replace("{model}", MODEL).replace("{key_id}", "k").replace("{version}", "1")
            answer = nobody.call(method, address, BODIES.get(f"{method} {path}"))
            assert answer.status_code == expected, (method, path, answer.text)
            assert answer.json().keys() <= {"error", "details"}


def test_what_a_body_says_of_namespaces_labels_and_accounts_does_nothing(lab: Lab, stranger: Management) -> None:
    body = {
        "name": "mine",
        "framework": "sklearn",
        "storageUri": "pvc://models/sklearn-iris",
        "namespace": "tenant-a",
        "labels": {"iiab.lab/tenant": "tenant-a"},
        "serviceAccountName": "management-service",
        "metadata": {"namespace": "tenant-a"},
    }
    made = stranger.ok("POST", "/api/models", body)
    try:
        assert made["namespace"] == "tenant-b"
        stored = Kube(lab.home / "kubeconfig").get("serving.kserve.io/v1beta1", "InferenceService", "mine", "tenant-b")
        assert stored and set(stored["metadata"]["labels"]) == {"app.kubernetes.io/managed-by"}
        assert set(stored["spec"]["predictor"]) == {"minReplicas", "model"}
    finally:
        stranger.remove("mine")


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8080/x",
        "http://127.1/x",
        "http://0x7f000001/x",
        "http://2130706433/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.google.internal/x",
        "http://localhost/x",
        "http://10.0.0.1/x",
        "http://prometheus.monitoring.svc.cluster.local/x",
        "https://kubernetes/x",
        "file:///etc/passwd",
        "pvc://../../store.db",
        "/etc/passwd",
        "pvc://models/../../tenant-a/models",
        "javascript:alert(1)",
    ],
)
def test_a_storage_uri_leads_nowhere_inside(stranger: Management, uri: str) -> None:
    answer = stranger.call("POST", "/api/models", {"name": "mine", "framework": "sklearn", "storageUri": uri})
    assert answer.status_code == 400 and "storageUri" in answer.json()["details"], answer.text


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "127.0.0.1"},
        {"host": "kubernetes.default.svc"},
        {"host": "sklearn-iris-predictor.tenant-a.svc.cluster.local"},
        {"host": "example.com"},
        {"dnsResolve": [{"host": "api.router.inference-in-a-box", "port": "443", "address": "169.254.169.254"}]},
        {"dnsResolve": [{"host": "x", "port": "22", "address": "10.0.0.1"}]},
        {"protocol": "gopher"},
        {"path": "//127.0.0.1/x y"},
        {"headers": [{"key": "Host", "value": "identity.inference-in-a-box"}]},
        {"headers": [{"key": "x-a\r\nx-b", "value": "1"}]},
        {"headers": [{"key": "Transfer-Encoding", "value": "chunked"}]},
    ],
)
def test_connection_settings_are_no_proxy(admin: Management, settings: dict[str, Any]) -> None:
    body = {"inputData": SETOSA, "connectionSettings": {"useCustom": True, **settings}}
    answer = admin.call("POST", f"/api/models/{MODEL}/predict", body)
    assert answer.status_code == 400, answer.text


def test_connection_settings_reach_what_the_gateway_serves(admin: Management) -> None:
    published = admin.ok("GET", f"/api/models/{MODEL}/publish")
    settings = {
        "useCustom": True,
        "protocol": "https",
        "host": published["publicHostname"],
        "path": published["externalPath"],
        "dnsResolve": [{"host": published["publicHostname"], "port": "443", "address": "127.0.0.1"}],
        "headers": [{"key": "x-api-key", "value": "wrong"}],
    }
    answer = admin.call("POST", f"/api/models/{MODEL}/predict", {"inputData": SETOSA, "connectionSettings": settings})
    assert answer.status_code == 502 and "401" in answer.json()["error"]
    tested = admin.ok("POST", "/api/publish/test/execute", {"modelName": MODEL, "testData": SETOSA})
    assert tested["success"] and tested["data"] == {"predictions": [0]} and tested["statusCode"] == 200
    assert admin.ok("GET", "/api/publish/test/history")["tests"][0]["endpoint"] == tested["endpoint"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("get pods -n tenant-a", "theirs-predictor"),
        ("kubectl get isvc -A", MODEL),
        ("describe isvc theirs -n tenant-a", "kind: InferenceService"),
        ("get nodes -o wide", "INTERNAL-IP"),
    ],
)
def test_the_admins_kubectl_reads(admin: Management, command: str, says: str) -> None:
    assert says in admin.ok("POST", "/api/admin/kubectl", {"command": command})["result"]


@pytest.mark.parametrize(
    "command",
    [
        "delete pod x",
        "apply -f x",
        "exec x -- sh",
        "get pods; rm -rf /",
        "get pods $(id)",
        "get secrets -n identity -o yaml",
        "describe secret identity-admin-client -n identity",
        "get pods --kubeconfig=/etc/passwd",
        "get pods --server=http://127.0.0.1",
        "",
        "'",
    ],
)
def test_the_admins_kubectl_does_nothing_else(admin: Management, command: str) -> None:
    answer = admin.call("POST", "/api/admin/kubectl", {"command": command})
    assert answer.status_code in (400, 404), answer.text


def test_the_admins_pages_say_what_there_is(admin: Management) -> None:
    assert {tenant["tenant"] for tenant in admin.ok("GET", "/api/admin/tenants")["tenants"]} == {
        "tenant-a",
        "tenant-b",
        "tenant-c",
    }
    resources = admin.ok("GET", "/api/admin/resources")
    assert MODEL in {model["name"] for model in resources["inferenceServices"]} and resources["gateways"]
    assert admin.ok("GET", "/api/admin/ai-gateway-service")["https"].startswith("https://127.0.0.1:")
    assert set(admin.ok("GET", "/api/tokens")["tokens"]) == {"tenant-a", "tenant-b", "tenant-c"}
    assert admin.ok("GET", "/api/admin/logs?lines=5")["logs"] and admin.ok("GET", f"/api/models/{MODEL}/logs")["logs"]


def test_a_password_is_tried_a_few_times_a_minute(lab: Lab) -> None:
    anybody = Management(lab, "x")
    body = {"username": "somebody", "password": "guess"}
    answers = [anybody.call("POST", "/api/admin/login", body) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    right = {"username": "admin", "password": password(lab)}
    assert anybody.call("POST", "/api/admin/login", right).json()["user"]["isAdmin"] is True
