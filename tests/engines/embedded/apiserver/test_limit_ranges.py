"""What a namespace lets in: limits of containers and claims, their defaults, and Pods as the kubelet would take them."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import refusal
from .space import Amounts, Space, ns

__all__ = ["ns"]


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
