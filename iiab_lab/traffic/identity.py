"""A tenant's client secret → a token, fetched through the edge as any client of that tenant would (RFC 6749 §4.4)."""

from __future__ import annotations

import base64
from typing import Any

from ..errors import NotReady, UsageError
from ..target import Target
from .client import InferenceClient

HOST, LABEL, SECRET = "identity.inference-in-a-box", "iiab.lab/tenant", "identity-client"
ISVC = ("serving.kserve.io/v1beta1", "InferenceService")
ADMIN, ADMIN_SECRET = "admin", "identity-admin-client"


def tenants(target: Target) -> dict[str, str]:
    """tenant → its namespace."""
    found = target.kube.list("v1", "Namespace", selector=LABEL)
    return {item["metadata"]["labels"][LABEL]: item["metadata"]["name"] for item in found}


def tenant_of(target: Target, model: str) -> str:
    """The tenant in whose namespace the model is. Raises UsageError where there is none, or more than one."""
    found = target.kube.list(*ISVC)
    spaces = [item["metadata"]["namespace"] for item in found if item["metadata"]["name"] == model]
    owners = [tenant for tenant, namespace in tenants(target).items() if namespace in spaces]
    if not owners:
        known = ", ".join(sorted(item["metadata"]["name"] for item in found)) or "deploy one first"
        raise UsageError(f"No tenant has a model {model!r}.", f"choose one of: {known}")
    if len(owners) > 1:
        raise UsageError(f"{model} is a model of {' and of '.join(sorted(owners))}.", "say whose: --tenant")
    return owners[0]


def token(target: Target, tenant: str) -> str:
    """A signed JWT; raises UsageError for a tenant that does not exist, NotReady where identity does not answer."""
    client_id, client_secret = credentials(target, tenant)
    answer = InferenceClient(target).request(
        "POST",
        "/token",
        headers={"Host": HOST},
        data={"grant_type": "client_credentials"},
        auth=(client_id, client_secret),
    )
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise NotReady(
            f"The identity service answered {answer.status}: {answer.body}",
            "look at: iiab kubectl get pods -n identity",
        )
    return str(answer.body["access_token"])


def claims(bearer: str) -> dict[str, Any]:
    """What a token says, read without checking its signature: for looking, never for deciding."""
    import jwt

    read: dict[str, Any] = jwt.decode(bearer, options={"verify_signature": False})
    return read


def credentials(target: Target, tenant: str) -> tuple[str, str]:
    """(client id, client secret) from the tenant's own namespace; of `admin`, from the identity service's."""
    if tenant == ADMIN:
        name, namespace = ADMIN_SECRET, "identity"
    else:
        name, namespace = SECRET, tenants(target)[require_tenant(target, tenant)]
    secret = target.kube.get("v1", "Secret", name, namespace)
    if secret is None:
        raise NotReady(
            f"{tenant} has no client yet.", "wait for the identity service: iiab kubectl get pods -n identity"
        )
    data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    return data["client_id"], data["client_secret"]


def require_tenant(target: Target, tenant: str) -> str:
    """The tenant itself; raises UsageError for one there is not."""
    known = tenants(target)
    if tenant not in known:
        choices = ", ".join([*sorted(known), ADMIN])
        raise UsageError(f"There is no tenant {tenant!r}.", f"choose one of: {choices}")
    return tenant
