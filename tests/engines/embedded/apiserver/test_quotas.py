"""What a namespace lets in: quotas that hold under a crowd, and amounts that make sense."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import MERGE, Running, eventually, refusal
from .space import Space, ns

__all__ = ["ns"]


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
