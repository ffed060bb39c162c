"""A user of a test's own, and the roles and bindings it gives them."""

from __future__ import annotations

from typing import Any

from iiab_lab.kube import Kube

from .conftest import Running

RBAC = "rbac.authorization.k8s.io"
Rule = dict[str, Any]


def rule(resource: str, *verbs: str, group: str = "", names: tuple[str, ...] = ()) -> Rule:
    made = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return made | ({"resourceNames": list(names)} if names else {})


class Person:
    """A user of the test's own, who has what the test gives them."""

    def __init__(self, server: Running, kube: Kube, space: str) -> None:
        self.name, self._kube, self._space = f"user-of-{space}", kube, space
        self.kube = Kube(server.kubeconfig)
        self.kube.session.headers["Impersonate-User"] = self.name
        self.subject = {"apiGroup": RBAC, "kind": "User", "name": self.name}

    def has(self, *rules: Rule, everywhere: bool = False) -> None:
        kind = "ClusterRole" if everywhere else "Role"
        meta = {"name": self.name} | ({} if everywhere else {"namespace": self._space})
        self._kube.apply({"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, "rules": list(rules)})
        self.bound(kind, self.name, everywhere=everywhere)

    def bound(self, kind: str, name: str, *, everywhere: bool = False) -> None:
        self._kube.apply(binding(name, kind, self.subject, "" if everywhere else self._space))

    def may(self, method: str, path: str, **options: Any) -> bool:
        """By really asking: whatever is not a 401 or 403 got past the door."""
        answer = self.kube.session.request(method, self.kube.server + path, timeout=20, **options)
        return answer.status_code not in (401, 403)


def binding(role: str, kind: str, subject: dict[str, str], space: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if space else "ClusterRoleBinding",
        "metadata": {"name": f"{kind}-{role}-{subject['name']}"} | ({"namespace": space} if space else {}),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [subject],
    }
