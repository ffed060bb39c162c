"""Nobody hands out rights they do not have: what a written role or binding would grant → allowed, or 403.

The verbs `escalate` (on roles) and `bind` (on the role that is bound) lift it, as in Kubernetes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ....errors import ApiError
from ..objects.kinds import CLUSTER_ROLE, ROLE, Key
from ..objects.meta import Object
from .authn import User
from .authz import Authorizer
from .info import Info
from .resources import Call

_GROUP = "rbac.authorization.k8s.io"


class Escalation:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def roles(self, call: Call, new: Object | None, old: Object | None) -> None:
        """For Role and ClusterRole."""
        if new is None or (old is not None and old.get("rules") == new.get("rules")):
            return
        if not self._may(call, "escalate", call.info.resource, new["metadata"]["name"]):
            self._require(call, new.get("rules") or [], new["metadata"].get("namespace", ""))

    def bindings(self, call: Call, new: Object | None, old: Object | None) -> None:
        """For RoleBinding and ClusterRoleBinding."""
        if new is None:
            return
        if old is not None and (old.get("subjects"), old["roleRef"]) == (new.get("subjects"), new["roleRef"]):
            return
        ref, namespace = new["roleRef"], new["metadata"].get("namespace", "")
        local = ref["kind"] == "Role"
        if self._may(call, "bind", "roles" if local else "clusterroles", ref["name"]):
            return
        role = call.store.read(ROLE if local else CLUSTER_ROLE, Key(namespace if local else "", ref["name"]))
        if role is None:
            raise ApiError(
                404, "NotFound", f'{"roles" if local else "clusterroles"}.{_GROUP} "{ref["name"]}" not found'
            )
        self._require(call, role.get("rules") or [], namespace)

    def _may(self, call: Call, verb: str, resource: str, name: str) -> bool:
        return self._authorizer.allows(call.user, Info(verb, "", _GROUP, "v1", call.info.namespace, resource, name))

    def _require(self, call: Call, rules: list[Object], namespace: str) -> None:
        own = self._authorizer.rules(call.user, namespace)
        missing = [one for rule in rules for one in _single(rule) if not any(_covers(mine, one) for mine in own)]
        if missing:
            raise _forbidden(call.user, call.info, missing)


def _single(rule: Object) -> Iterator[Object]:
    """A rule → rules of one verb and one resource (or URL) each."""
    for verb, url in itertools.product(rule.get("verbs") or (), rule.get("nonResourceURLs") or ()):
        yield {"verbs": [verb], "nonResourceURLs": [url]}
    parts = (rule.get("verbs") or (), rule.get("apiGroups") or (), rule.get("resources") or ())
    for verb, group, resource in itertools.product(*parts):
        names = rule.get("resourceNames") or []
        yield {"verbs": [verb], "apiGroups": [group], "resources": [resource], "resourceNames": names}


def _covers(mine: Object, one: Object) -> bool:
    if not _within(one["verbs"], mine.get("verbs")):
        return False
    if "nonResourceURLs" in one:
        wanted, held = one["nonResourceURLs"][0], mine.get("nonResourceURLs") or ()
        return any(url in ("*", wanted) or (url.endswith("*") and wanted.startswith(url[:-1])) for url in held)
    names = mine.get("resourceNames")
    return (
        _within(one["apiGroups"], mine.get("apiGroups"))
        and _within_resources(one["resources"][0], mine.get("resources") or [])
        and (not names or (bool(one["resourceNames"]) and set(one["resourceNames"]) <= set(names)))
    )


def _within(wanted: list[str], held: list[str] | None) -> bool:
    return "*" in (held or ()) or set(wanted) <= set(held or ())


def _within_resources(wanted: str, held: list[str]) -> bool:
    _, slash, subresource = wanted.partition("/")
    return wanted in held or "*" in held or (bool(slash) and f"*/{subresource}" in held)


def _forbidden(user: User, info: Info, missing: list[Object]) -> ApiError:
    said = "; ".join(
        "{" + ", ".join(f"{name}: {rule[name]}" for name in rule if rule[name]) + "}" for rule in missing[:5]
    )
    return ApiError(
        403,
        "Forbidden",
        f'{info.resource}.{_GROUP} "{info.name}" is forbidden: user "{user.name}" (groups={sorted(user.groups)}) is '
        f"attempting to grant RBAC permissions not currently held: {said}",
        "grant less, or ask somebody who has these rights",
    )
