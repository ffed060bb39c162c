"""The signing keys of a tenant's issuer, turned over by an administrator: a new one beside the old, then the old one goes.

The identity service follows its Secret: a new key verifies at once and signs some seconds later, when every verifier has had
the time to fetch it. An old one is retired once its last token has expired, or sooner, if it is in wrong hands.
"""

from __future__ import annotations

import base64
from typing import Any

from ..errors import NotReady
from ..services.identity.keys import SECRET, new_pem, owner
from ..target import Target
from .identity import ADMIN, require_tenant

_NAMESPACE, _SUFFIX = "identity", ".pem"


def ids(target: Target, tenant: str) -> list[str]:
    """Of the keys that verify the tenant's tokens, or the admin's; the last signs, at once or soon."""
    wanted = "" if tenant == ADMIN else require_tenant(target, tenant)
    secret = target.kube.get("v1", "Secret", SECRET, _NAMESPACE) or {"data": {}}
    found = sorted(kid for name in secret["data"] if owner(kid := name.removesuffix(_SUFFIX)) == wanted)
    if not found:
        raise NotReady(f"The issuer of {tenant} has no key yet.", "look at: iiab kubectl get pods -n identity")
    return found


def rotate(target: Target, tenant: str) -> str:
    """Makes a key that will sign in the place of those there are, and returns its id."""
    stem, _, number = ids(target, tenant)[-1].rpartition("-")
    kid = f"{stem}-{int(number) + 1:04}"
    _patch(target, {f"{kid}{_SUFFIX}": base64.b64encode(new_pem().encode()).decode()})
    return kid


def retire(target: Target, tenant: str) -> list[str]:
    """Takes out every key but the newest: their tokens are refused from now on. Returns their ids."""
    *old, _ = ids(target, tenant)
    if old:
        _patch(target, {f"{kid}{_SUFFIX}": None for kid in old})
    return old


def _patch(target: Target, data: dict[str, Any]) -> None:
    target.kube.merge("v1", "Secret", SECRET, _NAMESPACE, {"data": data})
