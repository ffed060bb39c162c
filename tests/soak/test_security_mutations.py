"""Each defence is switched off in turn, and the catalogue fails in just the rows that it holds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from iiab_lab.kube import Object
from iiab_lab.scenarios.security import catalogue
from iiab_lab.target import Target

from ..e2e.lab import Lab, eventually, running

EDGE_POLICY = ("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", "sklearn-iris", "tenant-a")
CLIENTS = ("gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy", "ai-inference-gateway", "envoy-gateway-system")
CLIENTS_TLS = (*CLIENTS[:2], "ai-inference-gateway-https", CLIENTS[3])
TRAFFIC = ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "edge-traffic", "envoy-gateway-system")
AUTHORIZATION = ("security.istio.io/v1", "AuthorizationPolicy")
EDIT = ("rbac.authorization.k8s.io/v1", "ClusterRole", "iiab-platform-edit", "")


class Mutation(NamedTuple):
    """What is switched off: an object, and a change of it (None: it is deleted); which rows fail, which go on passing."""

    where: tuple[str, str, str, str]
    change: Any
    fail: tuple[str, ...]
    hold: tuple[str, ...]


def provider(spec: Object, **changes: Any) -> Object:
    """The policy's one JWT provider with some fields changed, or, by None, left out."""
    found = spec["jwt"]["providers"][0] | changes
    return {"jwt": {"providers": [{name: value for name, value in found.items() if value is not None}]}}


MUTATIONS = {
    "no token is asked for": Mutation(
        EDGE_POLICY,
        lambda spec: {"jwt": None, "authorization": {"defaultAction": "Allow", "rules": None}},
        ("jwt: no-token", "jwt: foreign", "jwt: alg-none", "jwt: hs256-public-key", "jwt: expired", "jwt: other-tenant", "headers: tenant", "paths: dot-dot", "tenancy: edge-predict"),
        ("bypass: sidecar-tenant-b",),
    ),
    "any audience will do": Mutation(
        EDGE_POLICY,
        lambda spec: provider(spec, audiences=None),
        ("jwt: aud-missing", "jwt: aud-wrong", "jwt: aud-prefix"),
        ("jwt: iss-wrong", "jwt: foreign", "jwt: expired", "jwt: tenant-wrong"),
    ),
    "any issuer will do": Mutation(
        EDGE_POLICY,
        lambda spec: provider(spec, issuer=None),
        ("jwt: iss-missing", "jwt: iss-wrong", "jwt: iss-slash"),
        ("jwt: aud-wrong", "jwt: foreign", "jwt: tenant-wrong", "jwt: other-key", "jwt: other-issuer", "jwt: other-tenant"),
    ),
    "another tenant's key verifies too": Mutation(
        ("v1", "ConfigMap", "identity-jwks", "tenant-a"),
        "keys of tenant-b",
        ("jwt: other-key",),
        ("jwt: other-issuer", "jwt: other-tenant", "jwt: other-key-our-kid", "jwt: platform-key", "jwt: foreign"),
    ),
    "any valid token will do": Mutation(
        EDGE_POLICY,
        lambda spec: {"authorization": {"defaultAction": "Allow", "rules": None}},
        ("jwt: tenant-wrong", "jwt: scope-wrong", "jwt: tenant-list"),
        ("jwt: no-token", "jwt: foreign", "jwt: crit", "jwt: other-tenant", "headers: tenant", "tenancy: edge-metadata"),
    ),
    "a contradicting x-tenant is not looked at": Mutation(
        EDGE_POLICY,
        lambda spec: {"authorization": {"rules": spec["authorization"]["rules"][1:]}},
        ("headers: contradicting-tenant", "headers: two-tenants", "headers: tenant-list", "smuggling: obs-fold"),
        ("headers: jwt-tenant", "tenancy: edge-predict"),
    ),
    "underscores pass": Mutation(
        CLIENTS,
        lambda spec: {"headers": {"withUnderscoresAction": "Allow"}},
        ("headers: underscore",),
        ("headers: contradicting-tenant", "headers: client-id", "headers: hop-by-hop-token"),
    ),
    "a client's id is left as it came": Mutation(
        CLIENTS,
        lambda spec: {"headers": {"earlyRequestHeaders": None}},
        ("headers: client-id",),
        ("headers: claim-tenant", "headers: client-id-of-key", "headers: underscore"),
    ),
    "a request id is left as it came": Mutation(
        CLIENTS,
        lambda spec: {"headers": {"requestID": "PreserveOrGenerate"}},
        ("headers: request-id",),
        ("headers: original-path", "headers: client-id"),
    ),
    "answers say whose they are": Mutation(
        CLIENTS,
        lambda spec: {"headers": {"lateResponseHeaders": None}},
        ("headers: server-named",),
        ("headers: client-id", "headers: underscore"),
    ),
    "clients may take their time": Mutation(
        CLIENTS,
        lambda spec: {"timeout": None},
        ("resources: slow-headers", "resources: slow-body"),
        ("resources: huge-body", "resources: many-connections"),
    ),
    "a body may take its time": Mutation(
        CLIENTS,
        lambda spec: {"timeout": {"http": {"requestReceivedTimeout": None}}},
        ("resources: slow-body",),
        ("resources: slow-headers",),
    ),
    "bodies of any length": Mutation(
        TRAFFIC,
        lambda spec: {"requestBuffer": None},
        ("resources: huge-body", "resources: large-body", "resources: large-chunks"),
        ("resources: slow-body", "resources: huge-header"),
    ),
    "bodies of up to a GiB": Mutation(
        TRAFFIC,
        lambda spec: {"requestBuffer": {"limit": "1Gi"}},
        ("resources: large-body", "resources: large-chunks"),
        ("resources: huge-body",),
    ),
    "TLS of any age": Mutation(
        CLIENTS_TLS,
        lambda spec: {"tls": {"minVersion": "1.0", "ciphers": ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"]}},
        ("bypass: edge-old-tls",),
        ("bypass: tier-2-none", "headers: underscore"),
    ),
    "slashes are left as they came": Mutation(
        CLIENTS,
        lambda spec: {"path": {"escapedSlashesAction": "KeepUnchanged", "disableMergeSlashes": True}},
        ("paths: double-slash", "paths: many-slashes", "paths: slash-encoded", "paths: backslash-encoded"),
        ("paths: dot-dot", "paths: letters-encoded"),
    ),
    "plaintext in the mesh": Mutation(
        ("security.istio.io/v1", "PeerAuthentication", "default", "istio-system"),
        lambda spec: {"mtls": {"mode": "PERMISSIVE"}},
        ("bypass: activator-plaintext",),
        # A tenant's NetworkPolicy lets nobody in without a name, either.
        ("bypass: sidecar-plaintext", "bypass: tier-2-plaintext", "bypass: sidecar-none", "bypass: sidecar-tenant-b"),
    ),
    "whoever may connect may call the model": Mutation(
        (*AUTHORIZATION, "from-the-ingress", "tenant-a"),
        None,
        ("bypass: sidecar-prometheus",),
        ("bypass: sidecar-foreign", "bypass: sidecar-tenant-b", "bypass: tier-2-tenant-b", "bypass: activator-tenant-b"),
    ),
    "anybody may connect to the model's Pod": Mutation(
        ("networking.k8s.io/v1", "NetworkPolicy", "what-is-needed", "tenant-a"),
        lambda spec: {"ingress": [{}]},
        ("bypass: sidecar-tenant-b", "bypass: sidecar-longer", "bypass: sidecar-edge"),
        ("bypass: sidecar-foreign", "bypass: sidecar-prometheus", "bypass: tier-2-tenant-b"),
    ),
    "anybody of the mesh may call tier 2": Mutation(
        (*AUTHORIZATION, "only-the-edge", "istio-system"),
        None,
        ("bypass: tier-2-tenant-b", "bypass: tier-2-longer", "bypass: tier-2-ingress"),
        ("bypass: tier-2-foreign", "bypass: sidecar-tenant-b"),
    ),
    "anybody of the mesh may call the activator": Mutation(
        (*AUTHORIZATION, "only-tier-2", "knative-serving"),
        None,
        ("bypass: activator-tenant-b", "bypass: activator-edge"),
        ("bypass: activator-foreign", "bypass: sidecar-tenant-b"),
    ),
    "tier 2 asks for no certificate": Mutation(
        ("networking.istio.io/v1", "Gateway", "knative-ingress-gateway", "knative-serving"),
        lambda spec: {"servers": [spec["servers"][0] | {"tls": spec["servers"][0]["tls"] | {"mode": "SIMPLE"}}]},
        ("bypass: tier-2-none", "bypass: tier-2-foreign"),
        ("bypass: sidecar-none", "bypass: sidecar-foreign"),
    ),
    "a tenant may open routes": Mutation(
        EDIT,
        "httproutes",
        ("policies: right-HTTPRoute-open", "policies: right-HTTPRoute-hijack"),
        ("policies: right-VirtualService", "tenancy: kube-secrets"),
    ),
    "a tenant's Pods count as the platform's": Mutation(
        ("v1", "Namespace", "tenant-b", ""),
        {"metadata": {"labels": {"iiab.lab/platform": "true"}}},
        ("pods: copy-store", "pods: copy-keys", "pods: copy-kubeconfig", "pods: copy-model"),
        ("pods: variable", "tenancy: kube-secrets"),
    ),
    "a tenant may read everybody's Secrets": Mutation(
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "catalogue-mutation", ""),
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "catalogue-intruder", "namespace": "tenant-b"}],
        },
        ("tenancy: kube-secrets", "bypass: kube-mesh-ca", "bypass: kube-other-tenant"),
        ("bypass: kube-anonymous", "bypass: kube-alg-none"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running(tmp_path_factory.mktemp("mutations") / "home") as lab:
        yield connected(lab)


def connected(lab: Lab) -> Target:
    return Target.connect(home=lab.home)


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_a_defence_its_rows_fail_and_with_it_they_pass(target: Target, name: str) -> None:
    mutation = MUTATIONS[name]
    rows = (*mutation.fail, *mutation.hold)
    assert failed(target, rows) == set()
    with switched_off(target, mutation):
        eventually(lambda: matches(target, rows, set(mutation.fail)), 20)
    eventually(lambda: matches(target, rows, set()), 20)


def matches(target: Target, rows: tuple[str, ...], expected: set[str]) -> bool:
    found = failed(target, rows)
    assert found == expected, sorted(found ^ expected)
    return True


def failed(target: Target, rows: tuple[str, ...]) -> set[str]:
    return {check.name for check in catalogue.run(target, rows).checks if not check.passed}


@contextlib.contextmanager
def switched_off(target: Target, mutation: Mutation) -> Iterator[None]:
    api_version, kind, name, namespace = mutation.where
    kube = target.kube
    path = kube.path(api_version, kind, namespace, name)
    before = kube.get(api_version, kind, name, namespace)
    if before is None:
        meta = {"name": name}
        kube.apply({"apiVersion": api_version, "kind": kind, "metadata": meta, **mutation.change})
    elif mutation.change is None:
        kube.raw("DELETE", path)
    else:
        kube.merge(api_version, kind, name, namespace, changed(target, before, mutation.change))
    try:
        yield
    finally:
        restore(target, mutation, before, path)


def changed(target: Target, before: Object, change: Any) -> Object:
    if change == "httproutes":
        rule = {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": ["create"]}
        return {"rules": [*before["rules"], rule]}
    if change == "keys of tenant-b":
        theirs = target.kube.get("v1", "ConfigMap", "identity-jwks-tenant-b", "envoy-gateway-system") or {}
        sets = [json.loads(found["data"]["jwks"])["keys"] for found in (before, theirs)]
        return {"data": {"jwks": json.dumps({"keys": [*sets[0], *sets[1]]})}}
    return {"spec": change(before["spec"])} if callable(change) else change


def restore(target: Target, mutation: Mutation, before: Object | None, path: str) -> None:
    if before is None:
        target.kube.raw("DELETE", path)
        return
    meta = {
        name: before["metadata"][name]
        for name in ("name", "namespace", "labels", "annotations")
        if name in before["metadata"]
    }
    whole = {name: value for name, value in before.items() if name != "status"} | {"metadata": meta}
    now = target.kube.get(*mutation.where[:2], mutation.where[2], mutation.where[3])
    if now is None:
        target.kube.raw("POST", path.rpartition("/")[0], json=whole)
    else:
        target.kube.raw(
            "PUT", path, json=whole | {"metadata": meta | {"resourceVersion": now["metadata"]["resourceVersion"]}}
        )
