"""Nobody hands out more rights than they have, by roles, by bindings or by aggregation."""

from __future__ import annotations

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, Running, refusal
from .person import RBAC, Person, binding, rule

ROLES, BINDINGS = f"/apis/{RBAC}/v1/namespaces/%s/roles", f"/apis/{RBAC}/v1/namespaces/%s/rolebindings"
CLUSTER_ROLES = f"/apis/{RBAC}/v1/clusterroles"


@pytest.fixture
def person(server: Running, kube: Kube, space: str) -> Person:
    return Person(server, kube, space)


def test_nobody_makes_a_role_of_more_than_they_have(person: Person, space: str) -> None:
    person.has(rule("pods", "get", "list"), rule("roles", "create", "update", "patch", group=RBAC))
    roles = ROLES % space
    make = lambda name, *rules: person.kube.raw("POST", roles, json={"metadata": {"name": name}, "rules": list(rules)})  # noqa: E731
    make("same", rule("pods", "get"))
    code, reason, message = refusal(lambda: make("more", rule("pods", "get"), rule("secrets", "get")))
    assert (code, reason) == (403, "Forbidden")
    assert f'roles.{RBAC} "more" is forbidden: user "{person.name}"' in message
    assert "is attempting to grant RBAC permissions not currently held" in message and "secrets" in message
    for more in (
        rule("pods", "*"),
        rule("*", "get"),
        rule("pods", "get", group="*"),
        rule("pods/log", "get"),
        rule("pods", "get", "delete"),
    ):
        assert refusal(lambda more=more: make("more", more))[0] == 403, more
    more = {"rules": [rule("secrets", "get")]}
    assert refusal(lambda: person.kube.raw("PATCH", f"{roles}/same", json=more, headers=MERGE))[0] == 403
    person.kube.raw("PATCH", f"{roles}/same", json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)
    person.kube.raw("PATCH", f"{roles}/same", json={"rules": []}, headers=MERGE)


def test_rights_to_single_names_cover_a_role_of_those_names(person: Person, space: str) -> None:
    own = [rule("secrets", "get", names=("a",)), rule("secrets", "get", names=("b", "c"))]
    person.has(*own, rule("roles", "create", group=RBAC))
    make = lambda name, *names: person.kube.raw(  # noqa: E731
        "POST", ROLES % space, json={"metadata": {"name": name}, "rules": [rule("secrets", "get", names=names)]}
    )
    make("those", "a", "b", "c")
    for names in (("a", "d"), ()):
        assert refusal(lambda names=names: make("more", *names))[0] == 403


def test_the_verb_escalate_lifts_it(person: Person, space: str) -> None:
    person.has(rule("roles", "create", "escalate", group=RBAC))
    body = {"metadata": {"name": "more"}, "rules": [rule("secrets", "get")]}
    assert person.kube.raw("POST", ROLES % space, json=body).status_code == 201


def test_nobody_gathers_rights_by_aggregation(kube: Kube, person: Person) -> None:
    """Who may edit cluster roles could else select the administrator's into one that they are bound to."""
    person.has(rule("clusterroles", "create", "update", "patch", group=RBAC), everywhere=True)
    selects = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"kubernetes.io/bootstrapping": "x"}}]}}
    new = {"metadata": {"name": f"{person.name}-sum"}} | selects
    message = refusal(lambda: person.kube.raw("POST", CLUSTER_ROLES, json=new))[2]
    assert "must have cluster-admin privileges to use the aggregationRule" in message
    path = f"{CLUSTER_ROLES}/{person.name}"
    assert refusal(lambda: person.kube.raw("PATCH", path, json=selects, headers=MERGE))[0] == 403
    kube.raw("PATCH", path, json=selects, headers=MERGE)
    person.bound("ClusterRole", "cluster-admin", everywhere=True)
    person.kube.raw("POST", CLUSTER_ROLES, json=new)


def test_nobody_binds_what_they_do_not_have(kube: Kube, person: Person, space: str) -> None:
    person.has(rule("rolebindings", "create", "update", "patch", group=RBAC), rule("pods", "get"))
    for name, given in (("small", rule("pods", "get")), ("large", rule("secrets", "get"))):
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name, "namespace": space}}
        kube.apply(role | {"rules": [given]})
    bind = lambda role, kind="Role": person.kube.raw(  # noqa: E731
        "POST", BINDINGS % space, json=binding(role, kind, person.subject, space)
    )
    bind("small")
    for role, kind in (("large", "Role"), ("view", "ClusterRole"), ("cluster-admin", "ClusterRole")):
        code, _, message = refusal(lambda role=role, kind=kind: bind(role, kind))
        assert code == 403 and "is attempting to grant RBAC permissions not currently held" in message
    assert refusal(lambda: bind("none"))[0] == 404
    assert not person.may("GET", f"/api/v1/namespaces/{space}/secrets/x")


def test_the_verb_bind_lifts_it_for_the_roles_it_names(person: Person, space: str) -> None:
    person.has(rule("rolebindings", "create", group=RBAC), rule("clusterroles", "bind", group=RBAC, names=("view",)))
    bind = lambda role: person.kube.raw(  # noqa: E731
        "POST", BINDINGS % space, json=binding(role, "ClusterRole", person.subject, space)
    )
    bind("view")
    assert person.may("GET", f"/api/v1/namespaces/{space}/configmaps")
    assert refusal(lambda: bind("edit"))[0] == 403


def test_an_administrator_of_a_namespace_gives_their_rights_and_no_others(person: Person, space: str) -> None:
    person.bound("ClusterRole", "admin")
    other = {"apiGroup": RBAC, "kind": "User", "name": "other"}
    bind = lambda role: person.kube.raw("POST", BINDINGS % space, json=binding(role, "ClusterRole", other, space))  # noqa: E731
    for role in ("view", "edit", "admin"):
        bind(role)
    assert refusal(lambda: bind("cluster-admin"))[0] == 403


def test_a_binding_names_one_role_for_good(kube: Kube, person: Person, space: str) -> None:
    person.bound("ClusterRole", "view")
    path = f"{BINDINGS % space}/ClusterRole-view-{person.name}"
    code, _, message = refusal(lambda: kube.raw("PATCH", path, json={"roleRef": {"name": "admin"}}, headers=MERGE))
    assert code == 422 and "cannot change roleRef" in message
