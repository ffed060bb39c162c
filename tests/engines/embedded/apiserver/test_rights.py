"""Who may do what: roles and bindings, the default roles, and the reviews that ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import Running, eventually, refusal
from .person import RBAC, Person, Rule, binding, rule

CLUSTER_ROLES = f"/apis/{RBAC}/v1/clusterroles"
REVIEWS = "/apis/authorization.k8s.io/v1"


@pytest.fixture
def person(server: Running, kube: Kube, space: str) -> Person:
    return Person(server, kube, space)


@pytest.fixture
def here(space: str) -> str:
    return f"/api/v1/namespaces/{space}"


def test_who_has_nothing_may_nothing_and_reads_why(person: Person, space: str, here: str) -> None:
    code, reason, message = refusal(lambda: person.kube.raw("GET", f"{here}/pods/web/log"))
    assert (code, reason) == (403, "Forbidden")
    assert message.startswith(
        f'pods "web" is forbidden: User "{person.name}" cannot get resource "pods/log" in API group "" '
        f'in the namespace "{space}"'
    )
    message = refusal(lambda: person.kube.raw("GET", f"/apis/{RBAC}/v1/clusterroles"))[2]
    assert message.startswith(
        f'clusterroles.{RBAC} is forbidden: User "{person.name}" cannot list resource "clusterroles" '
        f'in API group "{RBAC}" at the cluster scope'
    )
    message = refusal(lambda: person.kube.raw("GET", "/metrics"))[2]
    assert message.startswith(f'forbidden: User "{person.name}" cannot get path "/metrics"')


def test_a_role_holds_in_its_namespace_and_a_cluster_role_where_it_is_bound(
    kube: Kube, person: Person, here: str
) -> None:
    person.has(rule("pods", "list"))
    assert person.may("GET", f"{here}/pods")
    for path in ("/api/v1/pods", "/api/v1/namespaces/default/pods", f"{here}/pods/x", f"{here}/secrets"):
        assert not person.may("GET", path)
    kube.apply(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": person.name},
            "rules": [rule("secrets", "list")],
        }
    )
    person.bound("ClusterRole", person.name)
    assert person.may("GET", f"{here}/secrets") and not person.may("GET", "/api/v1/namespaces/default/secrets")
    person.bound("ClusterRole", person.name, everywhere=True)
    assert person.may("GET", "/api/v1/namespaces/default/secrets") and person.may("GET", "/api/v1/secrets")
    kube.raw("DELETE", f"/apis/{RBAC}/v1/clusterrolebindings/ClusterRole-{person.name}-{person.name}")
    assert not person.may("GET", "/api/v1/secrets")


@pytest.mark.parametrize(
    ("verb", "method", "path"),
    [
        ("get", "GET", "/configmaps/x"),
        ("list", "GET", "/configmaps"),
        ("watch", "GET", "/configmaps?watch=1&timeoutSeconds=1"),
        ("create", "POST", "/configmaps"),
        ("update", "PUT", "/configmaps/x"),
        ("patch", "PATCH", "/configmaps/x"),
        ("delete", "DELETE", "/configmaps/x"),
        ("deletecollection", "DELETE", "/configmaps"),
    ],
)
def test_every_verb_is_a_right_of_its_own(person: Person, here: str, verb: str, method: str, path: str) -> None:
    every = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
    person.has(rule("configmaps", *(every - {verb})))
    assert not person.may(method, here + path)
    person.has(rule("configmaps", verb))
    assert person.may(method, here + path)


def test_names_limit_a_rule_to_single_objects(person: Person, here: str) -> None:
    person.has(rule("configmaps", "get", "list", "watch", "update", "create", "deletecollection", names=("mine",)))
    assert person.may("GET", f"{here}/configmaps/mine") and not person.may("GET", f"{here}/configmaps/other")
    assert not person.may("GET", f"{here}/configmaps"), "a list of all is none of one"
    assert not person.may("POST", f"{here}/configmaps", json={"metadata": {"name": "mine"}})
    assert person.may("GET", f"{here}/configmaps?fieldSelector=metadata.name=mine")
    assert person.may("GET", f"{here}/configmaps?fieldSelector=metadata.name%3Dmine&watch=1&timeoutSeconds=1")
    assert person.may("DELETE", f"{here}/configmaps?fieldSelector=metadata.name=mine")
    for selector in ("metadata.name=other", "metadata.name!=mine", "metadata.namespace=mine", "metadata.name="):
        assert not person.may("GET", f"{here}/configmaps?fieldSelector={selector}"), selector


@pytest.mark.parametrize(
    ("given", "allowed", "refused"),
    [
        ("pods", ["pods/x"], ["pods/x/log", "pods/x/status"]),
        ("pods/log", ["pods/x/log"], ["pods/x", "pods/x/status"]),
        ("*/status", ["pods/x/status", "services/x/status"], ["pods/x", "pods/x/log"]),
        ("*", ["pods/x", "pods/x/log", "secrets/x"], []),
        ("pods/*", [], ["pods/x", "pods/x/log"]),
        ("Pods", [], ["pods/x"]),
    ],
)
def test_subresources_are_resources_of_their_own(
    person: Person, here: str, given: str, allowed: list[str], refused: list[str]
) -> None:
    person.has(rule(given, "get"))
    assert [path for path in allowed + refused if person.may("GET", f"{here}/{path}")] == allowed


def test_a_star_is_every_verb_group_and_resource_of_the_role_alone(person: Person, space: str, here: str) -> None:
    person.has({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
    assert person.may("DELETE", f"{here}/secrets") and person.may(
        "GET", f"/apis/apps/v1/namespaces/{space}/deployments"
    )
    assert not person.may("GET", "/api/v1/secrets") and not person.may("GET", "/api/v1/nodes")
    assert not person.may("GET", "/metrics")


def test_paths_that_are_no_resources_are_given_by_cluster_roles(person: Person) -> None:
    assert person.may("GET", "/apis") and person.may("GET", "/version") and person.may("GET", "/openapi/v3")
    assert not person.may("GET", "/metrics")
    person.has({"nonResourceURLs": ["/metrics", "/own/*"], "verbs": ["get"]}, everywhere=True)
    assert person.may("GET", "/metrics") and person.may("GET", "/own/thing")
    assert not person.may("POST", "/metrics") and not person.may("GET", "/own") and not person.may("GET", "/metricsx")


def test_a_service_account_and_a_group_are_subjects_too(server: Running, kube: Kube, space: str, here: str) -> None:
    someone = Kube(server.kubeconfig)
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "reads", "namespace": space}}
    kube.apply(role | {"rules": [rule("pods", "list")]})
    kube.apply(binding("reads", "Role", {"kind": "ServiceAccount", "name": "robot", "namespace": space}, space))
    kube.apply(binding("reads", "Role", {"apiGroup": RBAC, "kind": "Group", "name": f"team-{space}"}, space))
    for headers, allowed in (
        ({"Impersonate-User": f"system:serviceaccount:{space}:robot"}, True),
        ({"Impersonate-User": "system:serviceaccount:default:robot"}, False),
        ({"Impersonate-User": "ann", "Impersonate-Group": f"team-{space}"}, True),
        ({"Impersonate-User": f"team-{space}"}, False),
    ):
        answer = someone.session.get(f"{someone.server}{here}/pods", headers=headers, timeout=20)
        assert (answer.status_code == 200) is allowed, headers


def test_an_aggregated_role_is_what_its_parts_say_and_follows_them(kube: Kube, person: Person, space: str) -> None:
    def part(name: str, *rules: Rule, label: str = "yes") -> None:
        meta = {"name": f"{space}-{name}", "labels": {f"test/{space[-8:]}": label}}
        kube.apply({"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": list(rules)})

    def rules() -> list[Rule]:
        found = kube.raw("GET", f"{CLUSTER_ROLES}/{space}").json().get("rules") or []
        return sorted(found, key=lambda one: str(one["resources"]))

    selector = {"matchLabels": {f"test/{space[-8:]}": "yes"}}
    whole = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": space}}
    kube.apply(whole | {"aggregationRule": {"clusterRoleSelectors": [selector]}})
    pods, maps = rule("pods", "list"), rule("configmaps", "list")
    part("a", pods)
    eventually(lambda: rules() == [pods])
    part("b", maps)
    eventually(lambda: rules() == [maps, pods])
    person.bound("ClusterRole", space, everywhere=True)
    assert person.may("GET", "/api/v1/pods")
    part("a", pods, label="no")
    eventually(lambda: rules() == [maps])
    assert not person.may("GET", "/api/v1/pods")
    kube.raw("DELETE", f"{CLUSTER_ROLES}/{space}-b")
    eventually(lambda: rules() == [])


NAMESPACED = f"/apis/{RBAC}/v1/namespaces/NS"
# (method, path below a namespace) → which of the default roles may
DEFAULTS = [
    ("GET", "/api/v1/namespaces/NS/pods", "view edit admin"),
    ("GET", "/api/v1/namespaces/NS/pods/x/log", "view edit admin"),
    ("GET", "/api/v1/namespaces/NS/configmaps?watch=1&timeoutSeconds=1", "view edit admin"),
    ("GET", "/apis/apps/v1/namespaces/NS/deployments/x/scale", "view edit admin"),
    ("GET", "/apis/serving.kserve.io/v1beta1/namespaces/NS/inferenceservices", "view edit admin"),
    ("GET", "/api/v1/namespaces/NS/resourcequotas", "view edit admin"),
    ("GET", "/api/v1/namespaces/NS", "view edit admin"),
    ("GET", "/api/v1/namespaces/NS/secrets", "edit admin"),
    ("GET", "/api/v1/namespaces/NS/secrets/x", "edit admin"),
    ("POST", "/api/v1/namespaces/NS/pods", "edit admin"),
    ("POST", "/api/v1/namespaces/NS/secrets", "edit admin"),
    ("DELETE", "/apis/apps/v1/namespaces/NS/deployments", "edit admin"),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/x/scale", "edit admin"),
    ("POST", "/api/v1/namespaces/NS/serviceaccounts/default/token", "edit admin"),
    ("POST", "/api/v1/namespaces/NS/pods/x/eviction", "edit admin"),
    ("POST", "/apis/serving.kserve.io/v1beta1/namespaces/NS/inferenceservices", "edit admin"),
    ("GET", f"{NAMESPACED}/roles", "admin"),
    ("POST", f"{NAMESPACED}/roles", "admin"),
    ("POST", f"{NAMESPACED}/rolebindings", "admin"),
    ("POST", "/apis/authorization.k8s.io/v1/namespaces/NS/localsubjectaccessreviews", "admin"),
    ("POST", "/api/v1/namespaces/NS/resourcequotas", ""),
    ("DELETE", "/api/v1/namespaces/NS/resourcequotas/x", ""),
    ("PATCH", "/api/v1/namespaces/NS/limitranges/x", ""),
    ("PATCH", "/api/v1/namespaces/NS", ""),
    ("DELETE", "/api/v1/namespaces/NS", ""),
    ("PUT", "/api/v1/namespaces/NS/pods/x/status", ""),
    ("GET", "/api/v1/namespaces/default/pods", ""),
    ("GET", "/api/v1/namespaces", ""),
    ("GET", "/api/v1/nodes", ""),
    ("POST", f"/apis/{RBAC}/v1/clusterrolebindings", ""),
]


@pytest.mark.parametrize("role", ["view", "edit", "admin", "cluster-admin"])
def test_the_default_roles_may_what_kubernetes_says(person: Person, space: str, role: str) -> None:
    everything = role == "cluster-admin"
    person.bound("ClusterRole", role, everywhere=everything)
    expected = {(method, path) for method, path, roles in DEFAULTS if everything or role in roles.split()}
    found = {(m, p) for m, p, _ in DEFAULTS if person.may(m, p.replace("NS", space), json={}, params={"dryRun": "All"})}
    assert found == expected


def review(kube: Kube, kind: str, spec: dict[str, Any], path: str = REVIEWS) -> dict[str, Any]:
    answer = kube.raw("POST", f"{path}/{kind.lower()}s", json={"spec": spec}).json()
    assert answer["kind"] == kind and answer["spec"] == spec
    status: dict[str, Any] = answer["status"]
    return status


def attributes(verb: str, resource: str, **more: str) -> dict[str, Any]:
    return {"resourceAttributes": {"verb": verb, "resource": resource, **more}}


def test_may_i_is_answered_as_the_door_would(kube: Kube, person: Person, space: str) -> None:
    person.has(rule("pods", "get", names=("web",)), rule("deployments/scale", "patch", group="apps"))
    mine = lambda spec: review(person.kube, "SelfSubjectAccessReview", spec)["allowed"]  # noqa: E731
    assert mine(attributes("get", "pods", namespace=space, name="web"))
    assert mine(attributes("patch", "deployments", group="apps", subresource="scale", namespace=space, name="x"))
    assert mine({"nonResourceAttributes": {"verb": "get", "path": "/version"}})
    for no in (
        attributes("get", "pods", namespace=space, name="other"),
        attributes("get", "pods", namespace=space),
        attributes("get", "pods", name="web"),
        attributes("patch", "deployments", group="apps", namespace=space),
        attributes("*", "*", namespace=space),
        {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}},
    ):
        assert not mine(no), no
    admin = review(kube, "SelfSubjectAccessReview", attributes("*", "*", group="*"))
    assert admin["allowed"]


def test_may_somebody_is_for_those_who_may_ask(kube: Kube, person: Person, space: str) -> None:
    person.has(rule("pods", "get"))
    asked = attributes("get", "pods", namespace=space)
    found = review(kube, "SubjectAccessReview", asked | {"user": person.name})
    assert (
        found["allowed"]
        and f'RBAC: allowed by RoleBinding "Role-{person.name}-{person.name}/{space}"' in found["reason"]
    )
    assert not review(kube, "SubjectAccessReview", asked | {"user": "other"})["allowed"]
    assert review(kube, "SubjectAccessReview", asked | {"groups": ["system:masters"]})["allowed"]
    assert not person.may("POST", f"{REVIEWS}/subjectaccessreviews", json={"spec": asked | {"user": "x"}})
    local = f"{REVIEWS}/namespaces/{space}"
    assert review(kube, "LocalSubjectAccessReview", asked | {"user": person.name}, local)["allowed"]
    elsewhere = attributes("get", "pods", namespace="default") | {"user": person.name}
    assert refusal(lambda: review(kube, "LocalSubjectAccessReview", elsewhere, local))[0] == 422


@pytest.mark.parametrize(
    ("kind", "spec", "code"),
    [
        ("SelfSubjectAccessReview", {}, 422),
        ("SelfSubjectAccessReview", attributes("get", "pods") | {"nonResourceAttributes": {"path": "/"}}, 422),
        ("SubjectAccessReview", attributes("get", "pods"), 422),
        ("SelfSubjectRulesReview", {}, 400),
    ],
)
def test_a_review_that_asks_nothing_is_refused(kube: Kube, kind: str, spec: dict[str, Any], code: int) -> None:
    assert refusal(lambda: kube.raw("POST", f"{REVIEWS}/{kind.lower()}s", json={"spec": spec}))[0] == code


def test_what_may_i_lists_every_rule_of_the_namespace(person: Person, space: str) -> None:
    own = rule("pods", "get", names=("web",))
    person.has(own)
    found = review(person.kube, "SelfSubjectRulesReview", {"namespace": space})
    assert own in found["resourceRules"] and found["incomplete"] is False
    urls = [url for one in found["nonResourceRules"] for url in one["nonResourceURLs"]]
    assert "/version" in urls
    elsewhere = review(person.kube, "SelfSubjectRulesReview", {"namespace": "default"})
    assert own not in elsewhere["resourceRules"]
    assert json.dumps(elsewhere["resourceRules"]).count("selfsubjectaccessreviews") == 1
