"""The platform's own accounts: each may what it needs and nothing else, tried by doing it; none holds the administrator's token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from iiab_lab.kube import Kube

from .lab import Lab

RBAC = "/apis/rbac.authorization.k8s.io/v1"
DRY = {"dryRun": "All"}
JSON_MERGE = {"Content-Type": "application/merge-patch+json"}
POD = {"metadata": {"name": "intruder"}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
SECRET = {"metadata": {"name": "intruder"}}
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
BINDING = {
    "metadata": {"name": "intruder"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", "name": "identity", "namespace": "identity"}],
}
MODEL = {
    "metadata": {"name": "intruder"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/x"}}},
}
Request = tuple[str, str, dict[str, Any]]


def core(namespace: str, rest: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{rest}"


# What each needs to do its work, or cannot be kept from it; writes are dry runs.
NEEDED: dict[tuple[str, str], list[Request]] = {
    ("identity", "identity"): [
        ("GET", "/api/v1/namespaces", {}),
        ("GET", "/api/v1/namespaces/tenant-a", {}),
        ("GET", "/api/v1/namespaces?watch=1&timeoutSeconds=1", {}),
        ("GET", core("identity", "secrets/identity-signing-keys"), {}),
        ("POST", core("identity", "secrets"), SECRET),
        ("PATCH", core("identity", "secrets/identity-signing-keys"), {}),
        ("GET", core("tenant-a", "secrets/identity-client"), {}),
        ("GET", core("tenant-b", "configmaps/identity-jwks"), {}),
        ("POST", core("tenant-c", "secrets"), SECRET),
        ("POST", core("tenant-a", "configmaps"), SECRET),
        ("PATCH", core("tenant-a", "secrets/identity-client"), {}),
        ("PATCH", core("tenant-a", "configmaps/identity-jwks"), {}),
        ("PATCH", core("envoy-gateway-system", "configmaps/identity-jwks-tenant-a"), {}),
        ("GET", core("identity", "secrets?fieldSelector=metadata.name%3Didentity-signing-keys"), {}),
    ],
    ("audit", "audit"): [],
    ("monitoring", "prometheus"): [("GET", "/metrics", {})],
    ("monitoring", "metrics"): [
        ("GET", "/api/v1/namespaces", {}),
        ("GET", core("identity", "configmaps/identity-jwks"), {}),
        ("GET", "/apis/discovery.k8s.io/v1/namespaces/monitoring/endpointslices", {}),
    ],
    ("knative-serving", "activator"): [],
    ("default", "management-service"): [
        ("GET", "/api/v1/nodes", {}),
        ("GET", core("tenant-a", "pods"), {}),
        ("GET", core("tenant-a", "pods/any/log"), {}),
        ("POST", "/apis/serving.kserve.io/v1beta1/namespaces/tenant-a/inferenceservices", MODEL),
        # Keys are Secrets of the tenant; of rights to some of its Secrets, not yet named, there is no rule.
        ("GET", core("tenant-b", "secrets/another"), {}),
        ("DELETE", core("tenant-a", "secrets/identity-client"), {}),
        ("GET", core("default", "secrets/management-admin"), {}),
        ("GET", core("identity", "secrets/identity-admin-client"), {}),
        ("GET", core("istio-system", "configmaps/lab-ca"), {}),
        ("GET", "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/envoy-gateway-system/securitypolicies", {}),
    ],
    ("istio-system", "istio-ingressgateway"): [],
    ("envoy-gateway-system", "envoy-ratelimit"): [],
    ("tenant-a", "default"): [],
    ("default", "default"): [],
}
# What any authenticated user may.
COMMON: list[Request] = [
    ("GET", "/version", {}),
    ("GET", "/api", {}),
    ("GET", "/apis", {}),
    ("GET", "/openapi/v3", {}),
    ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}),
]
# What none of them may; `{ns}` and `{name}` are the account's own.
FORBIDDEN: list[Request] = [
    ("GET", "/api/v1/secrets", {}),
    ("GET", core("{ns}", "secrets"), {}),
    ("GET", core("{ns}", "secrets?watch=1&timeoutSeconds=1"), {}),
    ("GET", core("tenant-a", "secrets"), {}),
    ("GET", core("tenant-b", "secrets/another"), {}),
    ("GET", core("tenant-a", "secrets?fieldSelector=metadata.name=another"), {}),
    ("DELETE", core("tenant-a", "secrets/identity-client"), {}),
    ("DELETE", core("tenant-a", "secrets"), {}),
    ("GET", core("cert-manager", "secrets/lab-root-ca"), {}),
    ("GET", core("istio-system", "secrets/cacerts"), {}),
    ("POST", core("kube-system", "secrets"), SECRET),
    ("POST", core("{ns}", "pods"), POD),
    ("POST", core("kube-system", "pods"), POD),
    ("DELETE", core("monitoring", "pods"), {}),
    ("GET", core("tenant-a", "pods"), {}),
    ("GET", core("tenant-a", "pods/any/log"), {}),
    ("PATCH", "/apis/apps/v1/namespaces/identity/deployments/identity", {}),
    ("DELETE", "/api/v1/namespaces/tenant-b", {}),
    ("POST", "/api/v1/namespaces", {"metadata": {"name": "intruder"}}),
    ("PATCH", "/api/v1/namespaces/{ns}", {}),
    ("GET", "/api/v1/nodes", {}),
    ("GET", f"{RBAC}/clusterroles", {}),
    ("PATCH", f"{RBAC}/clusterroles/{{name}}", {"rules": EVERYTHING}),
    ("PATCH", f"{RBAC}/namespaces/{{ns}}/roles/identity-keys", {"rules": EVERYTHING}),
    ("POST", f"{RBAC}/namespaces/{{ns}}/roles", {"metadata": {"name": "intruder"}, "rules": EVERYTHING}),
    ("POST", f"{RBAC}/clusterrolebindings", BINDING),
    ("POST", f"{RBAC}/namespaces/{{ns}}/rolebindings", BINDING),
    ("POST", core("{ns}", "serviceaccounts/{name}/token"), {}),
    ("POST", core("kube-system", "serviceaccounts/default/token"), {}),
    ("POST", core("{ns}", "serviceaccounts"), {"metadata": {"name": "intruder"}}),
    ("PATCH", "/apis/security.istio.io/v1/namespaces/tenant-a/authorizationpolicies/any", {}),
    ("POST", "/apis/serving.kserve.io/v1beta1/namespaces/tenant-a/inferenceservices", MODEL),
    ("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", {"metadata": {"name": "x"}}),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval", {}),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {"user": "x"}}),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}),
    ("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}),
]


@pytest.fixture(scope="session")
def admin(lab: Lab) -> Kube:
    return Kube(lab.home / "kubeconfig")


@pytest.fixture(params=[f"{namespace}/{name}" for namespace, name in NEEDED])
def account(request: pytest.FixtureRequest, admin: Kube, lab: Lab) -> tuple[str, str, Kube]:
    """(namespace, name, an API client with a token of that account)."""
    namespace, name = request.param.split("/")
    asked = {"spec": {"expirationSeconds": 600}}
    issued = admin.raw("POST", core(namespace, f"serviceaccounts/{name}/token"), json=asked)
    kube = Kube(lab.home / "kubeconfig")
    kube.session.headers["Authorization"] = f"Bearer {issued.json()['status']['token']}"
    return namespace, name, kube


def code(kube: Kube, request: Request, **headers: str) -> int:
    method, path, body = request
    kind = JSON_MERGE if method == "PATCH" else {}
    options = {"params": DRY} if method != "GET" else {}
    answer = kube.session.request(
        method,
        kube.server + path,
        json=None if method == "GET" else body,
        headers=kind | headers,
        timeout=30,
        **options,  # type: ignore[arg-type]
    )
    return answer.status_code


def test_every_account_of_the_platform_is_known_here(admin: Kube) -> None:
    """A new one has to be added above, with what it needs."""
    listed = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in admin.list("v1", "ServiceAccount")}
    tenants = {o["metadata"]["name"] for o in admin.list("v1", "Namespace", selector="iiab.lab/tenant")}
    listed = {own for own in listed if own[0] not in tenants}  # of people; what these may, their tests say
    known = {own for own in listed if own[1] != "default" and not own[1].startswith("envoy-envoy-gateway-system-")}
    assert known == {own for own in NEEDED if own[1] != "default"}


def test_what_an_account_needs_is_allowed(account: tuple[str, str, Kube]) -> None:
    namespace, name, kube = account
    codes = {request[:2]: code(kube, request) for request in NEEDED[namespace, name] + COMMON}
    assert {request: found for request, found in codes.items() if found not in (200, 201, 404)} == {}


def test_everything_else_is_forbidden(account: tuple[str, str, Kube]) -> None:
    namespace, name, kube = account
    filled = [(m, path.format(ns=namespace, name=name), body) for m, path, body in FORBIDDEN]
    own = {(method, path) for method, path, _ in NEEDED[namespace, name]}
    refused = [request for request in filled if request[:2] not in own]
    assert len(refused) > 30
    codes = {request[:2]: code(kube, request) for request in refused}
    assert {request: found for request, found in codes.items() if found != 403} == {}


@pytest.mark.parametrize("user", ["kubernetes-admin", "system:serviceaccount:identity:identity", "anybody"])
def test_no_account_acts_for_anybody(account: tuple[str, str, Kube], user: str) -> None:
    assert code(account[2], ("GET", "/version", {}), **{"Impersonate-User": user}) == 403
    assert (
        code(account[2], ("GET", "/version", {}), **{"Impersonate-User": user, "Impersonate-Group": "system:masters"})
        == 403
    )


def test_the_metrics_are_for_prometheus_alone(account: tuple[str, str, Kube]) -> None:
    expected = 200 if account[:2] == ("monitoring", "prometheus") else 403
    assert code(account[2], ("GET", "/metrics", {})) == expected


def test_no_process_of_a_pod_holds_the_token_of_the_administrator(lab: Lab) -> None:
    """Not in its environment, its arguments, the kubeconfig that it is given, nor in a file below its Pod's directory."""
    token = (lab.home / "pki" / "admin-token").read_text()
    control_plane = lab.control_plane().pid
    seen = 0
    for process in lab.processes():
        if process.pid == control_plane:
            continue
        try:
            environment, words, place = process.environ(), process.cmdline(), process.cwd()
        except psutil.Error:  # it has ended
            continue
        held = [*environment.values(), *words]
        own = environment.get("KUBECONFIG", "")
        if str(lab.home / "pods") in place:
            seen += 1
            assert own != str(lab.home / "kubeconfig")
            held += [Path(own).read_text()] if own else []
        assert not any(token in text for text in held), words
    assert seen >= 3, "identity, Prometheus and a model server"


def test_no_file_of_a_pod_or_a_proxy_holds_the_token_of_the_administrator(lab: Lab) -> None:
    token = (lab.home / "pki" / "admin-token").read_bytes()
    held = {path.relative_to(lab.home).as_posix() for path in lab.home.rglob("*") if holds(path, token)}
    assert held == {"kubeconfig", "pki/admin-token"}
    files = [path for path in (lab.home / "pods").rglob("*") if path.is_file()]
    assert any(path.name == "token" for path in files), "the Pods have tokens of their own"


def holds(path: Path, token: bytes) -> bool:
    try:
        return path.is_file() and token in path.read_bytes()
    except OSError:  # it went while we looked
        return False


def test_the_token_in_a_pod_is_of_the_pods_own_account_and_bound_to_it(lab: Lab, admin: Kube) -> None:
    uids = {pod["metadata"]["uid"]: pod for pod in admin.list("v1", "Pod")}
    tokens = list((lab.home / "pods").glob("*/root/var/run/secrets/kubernetes.io/serviceaccount/token"))
    assert tokens
    for path in tokens:
        pod = uids.get(path.relative_to(lab.home / "pods").parts[0])
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            continue
        kube = Kube(lab.home / "kubeconfig")
        kube.session.headers["Authorization"] = f"Bearer {path.read_text().strip()}"
        answer = kube.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
        who = answer.json()["status"]["userInfo"]
        own = f"system:serviceaccount:{pod['metadata']['namespace']}:{pod['spec']['serviceAccountName']}"
        assert who["username"] == own
        assert who["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]
