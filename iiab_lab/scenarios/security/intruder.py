"""A tenant's namespace → a token of somebody who may edit it and nothing else: what `kubectl` of that tenant carries."""

from __future__ import annotations

from ...kube import Kube

NAME = "catalogue-intruder"
_RBAC = "rbac.authorization.k8s.io"


def token(kube: Kube, namespace: str, role: str = "edit") -> str:
    """Makes the account and binds it to that ClusterRole, in that namespace alone."""
    place = {"name": NAME, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    kube.apply(
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": place,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        }
    )
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}/token"
    return str(kube.raw("POST", path, json=asked).json()["status"]["token"])


def remove(kube: Kube, namespace: str) -> None:
    for api_version, kind in ((f"{_RBAC}/v1", "RoleBinding"), ("v1", "ServiceAccount")):
        kube.delete(api_version, kind, NAME, namespace)
