"""What a namespace lets in: quotas that hold under a crowd, limits and their defaults, and namespaces that come and go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import Running, eventually, refusal

MERGE = {"Content-Type": "application/merge-patch+json"}
Amounts = dict[str, str]


class Space:
    """One namespace, by short words."""

    def __init__(self, kube: Kube, name: str) -> None:
        self.kube, self.name, self.path = kube, name, f"/api/v1/namespaces/{name}"

    def make(self, plural: str, name: str, spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        body = {"metadata": {"name": name}} | ({"spec": spec} if spec is not None else {}) | more
        made: dict[str, Any] = self.kube.raw("POST", f"{self.path}/{plural}", json=body).json()
        return made

    def pod(self, name: str, requests: Amounts | None = None, limits: Amounts | None = None, **spec: Any) -> Any:
        resources = ({"requests": requests} if requests else {}) | ({"limits": limits} if limits else {})
        container = {"name": "main", "image": "x"} | ({"resources": resources} if resources else {})
        return self.make("pods", name, {"containers": [container]} | spec)

    def quota(self, name: str, hard: Amounts, *scopes: str) -> None:
        self.make("resourcequotas", name, {"hard": hard} | ({"scopes": list(scopes)} if scopes else {}))

    def used(self, name: str) -> Amounts:
        quota = self.kube.raw("GET", f"{self.path}/resourcequotas/{name}").json()
        found: Amounts = (quota.get("status") or {}).get("used") or {}
        return found

    def limits(self, *items: dict[str, Any]) -> dict[str, Any]:
        return self.make("limitranges", "limits", {"limits": list(items)})

    def remove(self, what: str) -> None:
        self.kube.raw("DELETE", f"{self.path}/{what}", params={"gracePeriodSeconds": "0"})


@pytest.fixture
def ns(kube: Kube, space: str) -> Space:
    return Space(kube, space)


def test_a_quota_counts_objects_and_says_by_how_much_it_is_exceeded(ns: Space) -> None:
    ns.quota("few", {"count/services": "1", "pods": "1", "count/deployments.apps": "0"})
    ns.pod("a")
    code, reason, message = refusal(lambda: ns.pod("b"))
    assert (code, reason) == (403, "Forbidden")
    expected = 'pods "b" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1'
    assert message.startswith(expected)
    ns.make("services", "a", {"ports": [{"port": 80}]})
    assert "requested: count/services=1" in refusal(lambda: ns.make("services", "b", {"ports": [{"port": 80}]}))[2]
    assert ns.used("few") == {} or eventually(lambda: ns.used("few") == {"count/services": "1", "pods": "1"} | ZERO)


ZERO = {"count/deployments.apps": "0"}


def test_what_is_used_is_kept_up_to_date(ns: Space) -> None:
    ns.quota("q", {"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi", "count/configmaps": "9"})
    some = {"cpu": "250m", "memory": "256Mi"}
    eventually(lambda: ns.used("q").get("pods") == "0")
    before = int(ns.used("q")["count/configmaps"])
    for name in ("a", "b"):
        ns.pod(name, some, some)
    ns.make("configmaps", "m")
    expected = {"pods": "2", "requests.cpu": "500m", "limits.memory": "512Mi"}
    eventually(lambda: ns.used("q") == expected | {"count/configmaps": str(before + 1)})
    ns.remove("pods/a")
    eventually(lambda: (ns.used("q")["pods"], ns.used("q")["requests.cpu"]) == ("1", "250m"))
    patch = {"status": {"phase": "Succeeded"}}
    ns.kube.raw("PATCH", f"{ns.path}/pods/b/status", json=patch, headers=MERGE)
    eventually(lambda: ns.used("q")["pods"] == "0")
    ns.kube.raw("PATCH", f"{ns.path}/resourcequotas/q", json={"spec": {"hard": {"pods": "7"}}}, headers=MERGE)
    shown = lambda: ns.kube.raw("GET", f"{ns.path}/resourcequotas/q").json()["status"]["hard"]["pods"]  # noqa: E731
    eventually(lambda: shown() == "7")


def test_a_quota_of_compute_adds_up_and_wants_it_said(ns: Space) -> None:
    ns.quota("q", {"requests.cpu": "1", "limits.memory": "1Gi"})
    message = refusal(lambda: ns.pod("none"))[2]
    assert (
        'pods "none" is forbidden: failed quota: q: must specify limits.memory for: main; requests.cpu for: main'
        in (message)
    )
    assert "must specify limits.memory for: main" in refusal(lambda: ns.pod("half", {"cpu": "1"}))[2]
    ns.pod("a", {"cpu": "700m"}, {"memory": "512Mi"})
    message = refusal(lambda: ns.pod("b", {"cpu": "400m"}, {"memory": "768Mi"}))[2]
    assert (
        "exceeded quota: q, requested: limits.memory=768Mi,requests.cpu=400m, "
        "used: limits.memory=512Mi,requests.cpu=700m, limited: limits.memory=1Gi,requests.cpu=1"
    ) in message
    ns.pod("c", {"cpu": "300m"}, {"memory": "512Mi"})


@pytest.mark.parametrize(
    ("scope", "counted", "free"),
    [
        ("BestEffort", {}, {"requests": {"cpu": "1m"}}),
        ("NotBestEffort", {"requests": {"cpu": "1m"}}, {}),
    ],
)
def test_a_scope_says_which_pods_count(ns: Space, scope: str, counted: dict[str, Any], free: dict[str, Any]) -> None:
    ns.quota("q", {"pods": "1"}, scope)
    ns.pod("free-1", **free)
    ns.pod("free-2", **free)
    ns.pod("counted", **counted)
    assert "exceeded quota: q" in refusal(lambda: ns.pod("more", **counted))[2]
    eventually(lambda: ns.used("q") == {"pods": "1"})


@pytest.mark.parametrize(
    ("hard", "scopes", "said"),
    [
        ({"gpus": "1"}, (), 'spec.hard[gpus]: Invalid value: "gpus": must be a standard resource for quota'),
        ({"pods": "1500m"}, (), 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        ({"pods": "1"}, ("BestEffort", "NotBestEffort"), "spec.scopes: Invalid value: "),
        ({"requests.cpu": "1"}, ("BestEffort",), "unsupported scope applied to resource"),
        ({"services": "1"}, ("Terminating",), "unsupported scope applied to resource"),
    ],
)
def test_a_quota_that_means_nothing_is_refused(ns: Space, hard: Any, scopes: tuple[str, ...], said: str) -> None:
    code, reason, message = refusal(lambda: ns.quota("q", hard, *scopes))
    assert (code, reason) == (422, "Invalid") and said in message


def test_a_quota_takes_what_others_count_and_keeps_its_scopes(ns: Space) -> None:
    ns.quota("q", {"pods": "1", "requests.cpu": "1", "limits.ephemeral-storage": "1Gi"}, "NotTerminating")
    ns.quota("r", {"count/httproutes.gateway.networking.k8s.io": "1", "requests.example.com/gpu": "2"})
    change = {"spec": {"scopes": ["Terminating"]}}
    path = f"{ns.path}/resourcequotas/q"
    kind = {"Content-Type": "application/merge-patch+json"}
    assert "field is immutable" in refusal(lambda: ns.kube.raw("PATCH", path, json=change, headers=kind))[2]


def test_every_quota_of_the_namespace_holds_and_none_of_another(ns: Space, kube: Kube) -> None:
    ns.quota("wide", {"pods": "5"})
    ns.quota("narrow", {"count/pods": "1"})
    ns.pod("a")
    assert "exceeded quota: narrow" in refusal(lambda: ns.pod("b"))[2]
    kube.raw("DELETE", f"{ns.path}/resourcequotas/narrow")
    ns.pod("b")


def test_a_crowd_never_gets_past_a_quota(ns: Space, server: Running) -> None:
    """A quota counts what is on its way to the disk too: of a hundred creates, ten."""
    ns.quota("ten", {"count/secrets": "10"})

    def create(index: int) -> int:
        try:
            Space(Kube(server.kubeconfig), ns.name).make("secrets", f"s{index}")
        except ApiError as error:
            return error.code
        return 201

    with ThreadPoolExecutor(100) as crowd:
        codes = sorted(crowd.map(create, range(100)))
    assert codes == [201] * 10 + [403] * 90
    assert len(ns.kube.list("v1", "Secret", ns.name)) == 10
    eventually(lambda: ns.used("ten") == {"count/secrets": "10"})


def test_an_update_may_shrink_past_a_quota_but_not_grow(ns: Space) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    ns.make("persistentvolumeclaims", "a", claim)
    ns.quota("q", {"requests.storage": "1Gi", "persistentvolumeclaims": "5"})
    message = refusal(lambda: ns.make("persistentvolumeclaims", "b", claim))[2]
    assert "requested: requests.storage=2Gi, used: requests.storage=2Gi, limited: requests.storage=1Gi" in message
    patch = {"metadata": {"labels": {"a": "b"}}}
    ns.kube.raw("PATCH", f"{ns.path}/persistentvolumeclaims/a", json=patch, headers=MERGE)


@pytest.mark.parametrize(
    ("plural", "spec", "field"),
    [
        ("resourcequotas", {"hard": {"pods": "many"}}, "spec.hard[pods]"),
        ("resourcequotas", {"hard": {"pods": "-1"}}, "spec.hard[pods]"),
        ("resourcequotas", {"hard": {"pods": "1"}, "scopes": ["Sometimes"]}, "spec.scopes[0]"),
        ("limitranges", {"limits": [{"type": "Container", "max": {"cpu": "x"}}]}, "spec.limits[0].max[cpu]"),
        ("limitranges", {"limits": [{"type": "Node"}]}, "spec.limits[0].type"),
        (
            "limitranges",
            {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]},
            "spec.limits[0].min[cpu]",
        ),
        (
            "limitranges",
            {"limits": [{"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}}]},
            "spec.limits[0].default[cpu]",
        ),
        (
            "limitranges",
            {"limits": [{"type": "Container", "defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}}]},
            "spec.limits[0].defaultRequest[cpu]",
        ),
        ("limitranges", {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}, "spec.limits[0].default"),
    ],
)
def test_amounts_that_make_no_sense_are_invalid(ns: Space, plural: str, spec: dict[str, Any], field: str) -> None:
    code, reason, message = refusal(lambda: ns.make(plural, "x", spec))
    assert (code, reason) == (422, "Invalid") and field in message


def test_a_limit_range_completes_itself(ns: Space) -> None:
    made = ns.limits({"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "64Mi"}})
    (item,) = made["spec"]["limits"]
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "64Mi"}


def test_a_limit_range_fills_in_what_containers_leave_out(ns: Space) -> None:
    ns.limits({"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}})
    resources = lambda pod: pod["spec"]["containers"][0]["resources"]  # noqa: E731
    assert resources(ns.pod("none")) == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m", "memory": "64Mi"},
    }
    own = resources(ns.pod("own", {"cpu": "1m"}, {"cpu": "2", "memory": "1Gi"}))
    assert own == {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1m", "memory": "1Gi"}}
    init = [{"name": "first", "image": "x"}]
    assert ns.pod("with-init", initContainers=init)["spec"]["initContainers"][0]["resources"]["limits"] == {
        "cpu": "500m"
    }


CONTAINER = {"type": "Container"}


@pytest.mark.parametrize(
    ("item", "requests", "limits", "said"),
    [
        (
            {"max": {"cpu": "500m"}},
            {},
            {"cpu": "600m"},
            "maximum cpu usage per Container is 500m, but limit is 600m",
        ),
        (
            {"min": {"memory": "64Mi"}},
            {"memory": "32Mi"},
            {"memory": "1Gi"},
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "100m"},
            {"cpu": "300m"},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {},
            {},
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {},
            {},
            "maximum cpu usage per Pod is 1. No limit is specified",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {},
            {"cpu": "1500m"},
            "maximum cpu usage per Pod is 1, but limit is 1500m",
        ),
    ],
)
def test_what_is_outside_the_limits_is_refused_by_their_words(
    ns: Space, item: dict[str, Any], requests: Amounts, limits: Amounts, said: str
) -> None:
    ns.limits(CONTAINER | item)
    code, reason, message = refusal(lambda: ns.pod("p", requests, limits))
    assert (code, reason) == (403, "Forbidden")
    assert message.startswith('pods "p" is forbidden: ') and said in message


def test_a_claim_is_held_to_the_limits_too(ns: Space) -> None:
    ns.limits({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}})
    claim = lambda size: ns.make(  # noqa: E731
        "persistentvolumeclaims", "c", {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    )
    assert (
        "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"
        in (refusal(lambda: claim("500Mi"))[2])
    )
    assert (
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
        in (refusal(lambda: claim("3Gi"))[2])
    )
    claim("2Gi")


def test_a_pod_that_requests_more_than_its_limit_is_invalid(ns: Space) -> None:
    code, _, message = refusal(lambda: ns.pod("p", {"cpu": "2"}, {"cpu": "1"}))
    assert code == 422
    assert (
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'
        in (message)
    )


# Namespaces


def test_nothing_is_made_in_a_namespace_that_is_not_there(kube: Kube, space: str) -> None:
    nowhere = Space(kube, f"no-{space}"[:63])
    code, reason, message = refusal(lambda: nowhere.make("configmaps", "m"))
    assert (code, reason) == (404, "NotFound") and f'namespaces "{nowhere.name}" not found' in message


def test_a_namespace_is_active_with_an_account_and_the_ca(kube: Kube, space: str) -> None:
    found = eventually(
        lambda: (obj := kube.get("v1", "Namespace", space)) and (obj.get("status") or {}).get("phase") and obj
    )
    assert found["status"]["phase"] == "Active"
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == space
    eventually(lambda: kube.get("v1", "ServiceAccount", "default", space))
    eventually(lambda: kube.get("v1", "ConfigMap", "kube-root-ca.crt", space))


def going(kube: Kube, space: str) -> dict[str, Any]:
    """A namespace that cannot go on, because an object in it has a finalizer."""
    meta = {"name": "held", "finalizers": ["test/hold"]}
    kube.raw("POST", f"/api/v1/namespaces/{space}/configmaps", json={"metadata": meta})
    answer: dict[str, Any] = kube.raw("DELETE", f"/api/v1/namespaces/{space}").json()
    return answer


def test_a_namespace_that_goes_takes_nothing_new_and_waits_for_finalizers(kube: Kube, space: str, ns: Space) -> None:
    ns.make("secrets", "s")
    answer = going(kube, space)
    assert answer["metadata"]["deletionTimestamp"] and answer["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError) as refused:
        ns.make("configmaps", "new")
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert (
        f'configmaps "new" is forbidden: unable to create new content in namespace {space} because it is being terminated'
        in refused.value.message
    )
    eventually(lambda: kube.get("v1", "Secret", "s", space) is None)
    conditions = lambda: {  # noqa: E731
        c["type"]: c for c in (kube.get("v1", "Namespace", space) or {})["status"].get("conditions", ())
    }
    remaining = eventually(lambda: conditions().get("NamespaceContentRemaining"))
    assert remaining["status"] == "True" and "configmaps" in remaining["message"]
    finalizers = eventually(lambda: conditions().get("NamespaceFinalizersRemaining"))
    assert finalizers["status"] == "True" and "test/hold in 1 resource instances" in finalizers["message"]
    kube.raw("PATCH", f"{ns.path}/configmaps/held", json={"metadata": {"finalizers": None}}, headers=MERGE)
    eventually(lambda: kube.get("v1", "Namespace", space) is None)


def test_a_client_reads_why_from_the_cause(kube: Kube, space: str) -> None:
    """Controllers ask for this cause, not for the words."""
    going(kube, space)
    answer = kube.session.post(
        f"{kube.server}/api/v1/namespaces/{space}/configmaps", json={"metadata": {"name": "n"}}, timeout=20
    )
    assert answer.json()["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {space} is being terminated",
            "field": "metadata.namespace",
        }
    ]


def test_a_namespace_made_anew_is_empty(kube: Kube, space: str, ns: Space) -> None:
    ns.make("configmaps", "old")
    ns.pod("old")
    first = kube.get("v1", "Namespace", space)
    kube.raw("DELETE", ns.path)
    eventually(lambda: kube.get("v1", "Namespace", space) is None)
    kube.raw("POST", "/api/v1/namespaces", json={"metadata": {"name": space}})
    second = kube.get("v1", "Namespace", space)
    assert first and second and first["metadata"]["uid"] != second["metadata"]["uid"]
    assert kube.get("v1", "ConfigMap", "old", space) is None and kube.list("v1", "Pod", space) == []


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_the_first_namespaces_are_never_deleted(kube: Kube, name: str) -> None:
    code, reason, message = refusal(lambda: kube.raw("DELETE", f"/api/v1/namespaces/{name}"))
    assert (code, reason) == (403, "Forbidden")
    assert message.startswith(f'namespaces "{name}" is forbidden: this namespace may not be deleted')
    assert not (kube.get("v1", "Namespace", name) or {})["metadata"].get("deletionTimestamp")


@pytest.mark.parametrize(
    ("group", "plural", "policy", "why"),
    [
        ("batch", "jobs", None, 'Required value: valid values: "OnFailure", "Never"'),
        ("batch", "jobs", "Always", 'Required value: valid values: "OnFailure", "Never"'),
        ("apps", "deployments", "Never", 'Unsupported value: "Never": supported values: "Always"'),
        ("apps", "replicasets", "OnFailure", 'Unsupported value: "OnFailure": supported values: "Always"'),
    ],
)
def test_a_template_restarts_as_its_workload_needs(ns: Space, group: str, plural: str, policy: str, why: str) -> None:
    pod = {"containers": [{"name": "main", "image": "x"}]} | ({"restartPolicy": policy} if policy else {})
    template = {"metadata": {"labels": {"app": "x"}}, "spec": pod}
    selector = {} if group == "batch" else {"selector": {"matchLabels": {"app": "x"}}}
    body = {"metadata": {"name": "x"}, "spec": {"template": template} | selector}
    path = f"/apis/{group}/v1/namespaces/{ns.name}/{plural}"
    code, reason, message = refusal(lambda: ns.kube.raw("POST", path, json=body))
    assert (code, reason) == (422, "Invalid") and f"spec.template.spec.restartPolicy: {why}" in message


def test_a_pods_account_may_be_named_as_it_once_was(ns: Space) -> None:
    ns.make("serviceaccounts", "robot")
    assert ns.pod("old", serviceAccount="robot")["spec"]["serviceAccountName"] == "robot"
    assert ns.pod("none")["spec"]["serviceAccountName"] == "default"
