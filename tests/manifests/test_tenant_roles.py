"""What the people of a tenant may do by its roles, and may not: viewer < deployer < admin, and the platform's walls are nobody's."""

from __future__ import annotations

import pytest

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.apiserver.escalation import _covers
from iiab_lab.engines.embedded.controllers.cluster_role import _together
from iiab_lab.kube import documents

ROLES = [obj for _, obj in documents(manifests() / "platform" / "tenants.yaml")]
VIEWER, DEPLOYER, ADMIN = "tenant-viewer", "tenant-deployer", "tenant-admin"
PEOPLE = (VIEWER, DEPLOYER, ADMIN)
KSERVE, RBAC, GATEWAY = "serving.kserve.io", "rbac.authorization.k8s.io", "gateway.networking.k8s.io"


def may(role: str, verb: str, resource: str, group: str) -> bool:
    found = next(one for one in ROLES if one["metadata"]["name"] == role)
    asked = {"verbs": [verb], "apiGroups": [group], "resources": [resource], "resourceNames": []}
    return any(_covers(rule, asked) for rule in _together(found, ROLES))


@pytest.mark.parametrize(
    ("verb", "resource", "group", "first"),
    [
        ("list", "inferenceservices", KSERVE, VIEWER),
        ("get", "pods/log", "", VIEWER),
        ("get", "resourcequotas", "", VIEWER),
        ("watch", "networkpolicies", "networking.k8s.io", VIEWER),
        ("create", "inferenceservices", KSERVE, DEPLOYER),
        ("delete", "inferenceservices", KSERVE, DEPLOYER),
        ("create", "jobs", "batch", DEPLOYER),
        ("create", "persistentvolumeclaims", "", DEPLOYER),
        ("get", "secrets", "", ADMIN),
        ("get", "configmaps", "", ADMIN),  # the key set by which tokens are checked is one
        ("create", "serviceaccounts/token", "", ADMIN),
        ("create", "rolebindings", RBAC, ADMIN),
        ("delete", "pods", "", ADMIN),
    ],
)
def test_from_which_role_on_something_is_allowed(verb: str, resource: str, group: str, first: str) -> None:
    allowed = [role for role in PEOPLE if may(role, verb, resource, group)]
    assert allowed == list(PEOPLE[PEOPLE.index(first) :])


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
@pytest.mark.parametrize(
    ("resource", "group"),
    [
        ("resourcequotas", ""),
        ("limitranges", ""),
        ("namespaces", ""),
        ("networkpolicies", "networking.k8s.io"),
        ("authorizationpolicies", "security.istio.io"),
        ("peerauthentications", "security.istio.io"),
        ("virtualservices", "networking.istio.io"),
        ("httproutes", GATEWAY),
        ("referencegrants", GATEWAY),
        ("securitypolicies", "gateway.envoyproxy.io"),
        ("backendtrafficpolicies", "gateway.envoyproxy.io"),
        ("roles", RBAC),
        ("clusterroles", RBAC),
        ("podmonitors", "monitoring.coreos.com"),
    ],
)
def test_nobody_of_a_tenant_moves_its_walls(verb: str, resource: str, group: str) -> None:
    assert [role for role in PEOPLE if may(role, verb, resource, group)] == []
