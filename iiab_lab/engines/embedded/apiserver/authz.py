"""Who, what → allowed or not, by Role, ClusterRole and their bindings in the store. Kubernetes' RBAC, read at each request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....errors import ApiError
from ..objects.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Key
from ..objects.meta import Object
from ..store.store import Store
from .authn import ANONYMOUS, User
from .info import Info

_OPEN = ("/healthz", "/livez", "/readyz", "/version")
# What Kubernetes lets every authenticated user read (system:discovery, system:basic-user).
_DISCOVERY = ("/api", "/apis", "/openapi")
_SELF = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")


class Authorizer:
    def __init__(self, store: Store) -> None:
        self._store = store

    def require(self, user: User, info: Info) -> None:
        """Raises 401 for nobody, 403 in Kubernetes' words for somebody who may not."""
        if self.allows(user, info):
            return
        if user == ANONYMOUS:
            raise ApiError(401, "Unauthorized", "Unauthorized", "use the kubeconfig that `iiab status` names")
        raise ApiError(403, "Forbidden", _refusal(user, info))

    def allows(self, user: User, info: Info) -> bool:
        if "system:masters" in user.groups or (not info.resource and info.path.startswith(_OPEN)):
            return True
        if user == ANONYMOUS:
            return False
        if (not info.resource and info.path.startswith(_DISCOVERY)) or info.resource in _SELF:
            return True
        return any(_permits(rule, info) for rule in self.rules(user, info.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[Object]:
        """Every rule that applies to the user in a namespace ("" for cluster-wide only)."""
        for binding in self._store.read_all(CLUSTER_ROLE_BINDING):
            if _binds(binding, user):
                yield from self._role(binding, "")
        for binding in self._store.read_all(ROLE_BINDING, namespace) if namespace else ():
            if _binds(binding, user):
                yield from self._role(binding, namespace)

    def _role(self, binding: Object, namespace: str) -> list[Object]:
        ref = binding["roleRef"]
        kind, key = (
            (ROLE, Key(namespace, ref["name"])) if ref["kind"] == "Role" else (CLUSTER_ROLE, Key("", ref["name"]))
        )
        return (self._store.read(kind, key) or {}).get("rules") or []


def _binds(binding: Object, user: User) -> bool:
    return any(
        _is(subject, user, binding["metadata"].get("namespace", "")) for subject in binding.get("subjects") or ()
    )


def _is(subject: Object, user: User, namespace: str) -> bool:
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    if subject["kind"] == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{subject['name']}"
    return subject["kind"] == "User" and subject["name"] == user.name


def _permits(rule: Object, info: Info) -> bool:
    if not _has(rule.get("verbs"), info.verb):
        return False
    if not info.resource:
        return any(
            url == info.path or (url.endswith("*") and info.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs") or ()
        )
    names = rule.get("resourceNames")
    return (
        _has(rule.get("apiGroups"), info.group)
        and _has_resource(rule.get("resources") or [], info)
        and (not names or info.name in names)
    )


def _has_resource(resources: list[str], info: Info) -> bool:
    if not info.subresource:
        return _has(resources, info.resource)
    return any(item in ("*", f"{info.resource}/{info.subresource}", f"*/{info.subresource}") for item in resources)


def _has(values: Any, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())


def _refusal(user: User, info: Info) -> str:
    if not info.resource:
        return f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"'
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    named = f"{info.resource}{'.' + info.group if info.group else ''}" + (f' "{info.name}"' if info.name else "")
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return f'{named} is forbidden: User "{user.name}" cannot {info.verb} resource "{resource}" in API group "{info.group}" {where}'
