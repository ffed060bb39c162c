"""Who, what → allowed or not, by Role, ClusterRole and their bindings in the store: Kubernetes' RBAC, its words included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ....errors import ApiError
from ..objects.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Key
from ..objects.meta import Object
from ..store.store import Store
from .authn import ANONYMOUS, User
from .info import Info

_KINDS = (ROLE, ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
_MASTERS = "system:masters"
EVERYTHING: list[Object] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


class Grant(NamedTuple):
    """A binding, read: where it holds ("" is everywhere), what it allows, and its name for the audit log."""

    namespace: str
    rules: list[Object]
    reason: str


class Authorizer:
    """The bindings are read once per change of them, not once per request."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grants: dict[tuple[str, str], list[Grant]] = {}
        self._as_of = -1

    def require(self, user: User, info: Info) -> str:
        """The reason it is allowed; raises 401 for nobody, 403 in Kubernetes' words for somebody who may not."""
        reason = self.reason(user, info)
        if reason is not None:
            return reason
        if user == ANONYMOUS:
            raise ApiError(401, "Unauthorized", "Unauthorized", "use the kubeconfig that `iiab status` names")
        error = ApiError(403, "Forbidden", _refusal(user, info), f"see what is allowed: {_list_command(info)}")
        error.details = {"name": info.name, "group": info.group, "kind": info.resource}
        raise error

    def allows(self, user: User, info: Info) -> bool:
        return self.reason(user, info) is not None

    def reason(self, user: User, info: Info) -> str | None:
        """Why it is allowed, as the audit log says it; None where it is not."""
        if _MASTERS in user.groups:
            return ""
        for grant in self._of(user, info.namespace):
            if any(_permits(rule, info) for rule in grant.rules):
                return grant.reason
        return None

    def rules(self, user: User, namespace: str) -> list[Object]:
        """Every rule that applies to the user in a namespace ("" for cluster-wide only)."""
        if _MASTERS in user.groups:
            return EVERYTHING
        return [rule for grant in self._of(user, namespace) for rule in grant.rules]

    def _of(self, user: User, namespace: str) -> Iterator[Grant]:
        as_of = max(map(self._store.changed, _KINDS))
        if as_of != self._as_of:
            self._grants, self._as_of = self._read(), as_of
        for subject in (("User", user.name), *(("Group", group) for group in user.groups)):
            for grant in self._grants.get(subject, ()):
                if not grant.namespace or grant.namespace == namespace:
                    yield grant

    def _read(self) -> dict[tuple[str, str], list[Grant]]:
        grants: dict[tuple[str, str], list[Grant]] = {}
        for kind in (CLUSTER_ROLE_BINDING, ROLE_BINDING):
            for binding in self._store.read_all(kind):
                namespace, ref = binding["metadata"].get("namespace", ""), binding["roleRef"]
                where = f"{binding['metadata']['name']}{'/' + namespace if namespace else ''}"
                reason = f'RBAC: allowed by {kind.kind} "{where}" of {ref["kind"]} "{ref["name"]}"'
                for subject in binding.get("subjects") or ():
                    who = _subject(subject, namespace)
                    to = f'{reason} to {subject["kind"]} "{subject["name"]}"'
                    grants.setdefault(who, []).append(Grant(namespace, self._role(ref, namespace), to))
        return grants

    def _role(self, ref: Object, namespace: str) -> list[Object]:
        local = ref["kind"] == "Role"
        found = self._store.read(ROLE if local else CLUSTER_ROLE, Key(namespace if local else "", ref["name"]))
        return (found or {}).get("rules") or []


def _subject(subject: Object, namespace: str) -> tuple[str, str]:
    if subject["kind"] == "ServiceAccount":
        return "User", f"system:serviceaccount:{subject.get('namespace') or namespace}:{subject['name']}"
    return subject["kind"], subject["name"]


def _permits(rule: Object, info: Info) -> bool:
    if not _has(rule.get("verbs"), info.verb):
        return False
    if not info.resource:
        return any(_matches_url(url, info.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _has(rule.get("apiGroups"), info.group)
        and _has_resource(rule.get("resources") or [], info)
        and (not names or (info.name or info.selected) in names)
    )


def _matches_url(rule: str, path: str) -> bool:
    return rule == path or (rule.endswith("*") and path.startswith(rule[:-1]))


def _has_resource(resources: list[str], info: Info) -> bool:
    if not info.subresource:
        return _has(resources, info.resource)
    return any(item in ("*", f"{info.resource}/{info.subresource}", f"*/{info.subresource}") for item in resources)


def _has(values: list[str] | None, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())


def _refusal(user: User, info: Info) -> str:
    if not info.resource:
        return f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"'
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    named = f"{info.resource}{'.' + info.group if info.group else ''}" + (f' "{info.name}"' if info.name else "")
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    return f'{named} is forbidden: User "{user.name}" cannot {info.verb} resource "{resource}" in API group "{info.group}" {where}'


def _list_command(info: Info) -> str:
    return f"iiab kubectl auth can-i --list{' -n ' + info.namespace if info.namespace else ''}"
