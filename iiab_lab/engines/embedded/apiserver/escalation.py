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
from .authz import EVERYTHING, Authorizer
from .info import Info
from .resources import Call

_GROUP = "rbac.authorization.k8s.io"
_GRANTING = ("rules", "aggregationRule")


class Escalation:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def roles(self, call: Call, new: Object | None, old: Object | None) -> None:
        """For Role and ClusterRole."""
        if new is None or (old is not None and all(old.get(part) == new.get(part) for part in _GRANTING)):
            return
        name = new["metadata"]["name"]
        if self._may(call, "escalate", call.info.resource, name):
            return
        self._require(call, name, new.get("rules") or [], new["metadata"].get("namespace", ""))
        if new.get("aggregationRule") and self._missing(call.user, EVERYTHING, ""):
            said = "must have cluster-admin privileges to use the aggregationRule"
            raise _forbidden(call.info, name, said)

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
        self._require(call, new["metadata"]["name"], role.get("rules") or [], namespace)

    def _may(self, call: Call, verb: str, resource: str, name: str) -> bool:
        return self._authorizer.allows(call.user, Info(verb, "", _GROUP, "v1", call.info.namespace, resource, name))

    def _require(self, call: Call, name: str, rules: list[Object], namespace: str) -> None:
        """`name` is of what is written."""
        if missing := self._missing(call.user, rules, namespace):
            raise _forbidden(call.info, name, _not_held(call.user, missing))

    def _missing(self, user: User, rules: list[Object], namespace: str) -> list[Object]:
        own = self._authorizer.rules(user, namespace)
        return [one for rule in rules for one in _single(rule) if not any(_covers(mine, one) for mine in own)]


def _single(rule: Object) -> Iterator[Object]:
    """A rule → rules of one verb and one resource (or URL), and of one name where it has any, each."""
    for verb, url in itertools.product(rule.get("verbs") or (), rule.get("nonResourceURLs") or ()):
        yield {"verbs": [verb], "nonResourceURLs": [url]}
    names = [[name] for name in rule.get("resourceNames") or ()] or [[]]
    parts = (rule.get("verbs") or (), rule.get("apiGroups") or (), rule.get("resources") or (), names)
    for verb, group, resource, named in itertools.product(*parts):
        yield {"verbs": [verb], "apiGroups": [group], "resources": [resource], "resourceNames": named}


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


def _not_held(user: User, missing: list[Object]) -> str:
    rules = "; ".join(
        "{" + ", ".join(f"{name}: {rule[name]}" for name in rule if rule[name]) + "}" for rule in missing[:5]
    )
    who = f'user "{user.name}" (groups={sorted(user.groups)})'
    return f"{who} is attempting to grant RBAC permissions not currently held: {rules}"


def _forbidden(info: Info, name: str, said: str) -> ApiError:
    message = f'{info.resource}.{_GROUP} "{name}" is forbidden: {said}'
    return ApiError(403, "Forbidden", message, "grant less, or ask somebody who has these rights")
