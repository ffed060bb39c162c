"""Folders of manifests → what to apply in which order, and by which condition each object has arrived. The same for both engines."""

from __future__ import annotations

from pathlib import Path

from ..kube import Object, documents

# (folder below manifests/, why it is applied then)
FOLDERS = (
    ("platform", "certificates, gateway class, identity, management"),
    ("tenants", "namespaces of the tenants and who may do what"),
    ("gateway", "the edge: listeners, TLS, the way into the mesh"),
    ("mesh", "mTLS everywhere, and who may call whom"),
    ("serving", "the runtimes that models name"),
    ("observability", "what Prometheus scrapes"),
    ("policies", "tokens and tenants, checked at the edge"),
    ("models", "training, then the model servers"),
)
# (name, namespace) of the admin's password.
ADMIN = ("management-admin", "default")
# A model server that starts before its model is trained fails and backs off for ten seconds.
AFTER_JOBS = "InferenceService"

# What must exist before its users, whatever the file names say; kubectl and Helm sort alike.
_FIRST = ("Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role", "ConfigMap", "Secret")
_ARRIVED = {
    "Job": "Complete",
    "Deployment": "Available",
    "Gateway": "Programmed",
    "Certificate": "Ready",
    AFTER_JOBS: "Ready",
}


def ordered(folder: Path) -> list[Object]:
    """The documents of a folder or file, prerequisites first, otherwise in file order; none where there is no such folder."""
    if not folder.exists():
        return []
    rank = {kind: index for index, kind in enumerate(_FIRST)}
    return sorted((obj for _, obj in documents(folder)), key=lambda obj: rank.get(obj["kind"], len(rank)))


def arrived(obj: Object) -> str:
    """The type of the condition that says so; "" for an object that is there as soon as it is applied."""
    istio = obj["apiVersion"].startswith("networking.istio.io")  # its Gateway has no status
    return "" if istio else _ARRIVED.get(obj["kind"], "")


def admin_secret(password: str) -> Object:
    """The Secret that the management service compares a sign-in with."""
    meta = {"name": ADMIN[0], "namespace": ADMIN[1]}
    said = {"username": "admin", "password": password}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "stringData": said}
