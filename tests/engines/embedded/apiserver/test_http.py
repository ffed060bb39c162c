"""The wire: status codes, bad bodies, selectors, tables, patches, users."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import Running

MAPS = "/api/v1/namespaces/wire/configmaps"


@pytest.fixture(autouse=True)
def namespace(kube: Kube) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "wire"}})


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def refusal(kube: Kube, method: str, path: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        kube.raw(method, path, **options)
    return caught.value.code, caught.value.reason


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", MAPS, "{", (400, "BadRequest")),
        ("POST", MAPS, "[]", (400, "BadRequest")),
        ("POST", MAPS, '{"metadata": "x"}', (400, "BadRequest")),
        ("POST", MAPS, '{"metadata": {"name": "Not A Name"}}', (422, "Invalid")),
        ("POST", MAPS, '{"metadata": {"name": "a"}, "data": {"a": 1}}', (422, "Invalid")),
        ("POST", MAPS, '{"metadata": {"name": "a", "namespace": "other"}}', (400, "BadRequest")),
        ("POST", MAPS, '{"kind": "Secret", "metadata": {"name": "a"}}', (400, "BadRequest")),
        ("PUT", MAPS + "/x", '{"metadata": {"name": "y"}}', (400, "BadRequest")),
        ("GET", MAPS + "/none", "", (404, "NotFound")),
        ("GET", "/apis/nothing.io/v1/things", "", (404, "NotFound")),
        ("GET", MAPS + "?labelSelector=a b", "", (400, "BadRequest")),
        ("GET", MAPS + "?watch=1&resourceVersion=abc", "", (400, "BadRequest")),
        ("POST", "/api/v1/namespaces/nowhere/configmaps", '{"metadata": {"name": "a"}}', (404, "NotFound")),
        ("POST", "/api/v1/namespaces/wire/pods/p/exec", "{}", (405, "MethodNotAllowed")),
    ],
)
def test_what_is_wrong_is_refused_by_code_and_reason(
    kube: Kube, method: str, path: str, body: str, expected: tuple[int, str]
) -> None:
    assert refusal(kube, method, path, data=body, headers={"Content-Type": "application/json"}) == expected


def test_a_body_past_three_megabytes_is_413(kube: Kube) -> None:
    body = json.dumps(config_map("big", a="x" * (3 << 20)))
    headers = {"Content-Type": "application/json"}
    assert refusal(kube, "POST", MAPS, data=body, headers=headers)[0] == 413


def test_nobody_and_strangers_are_401_and_health_is_open(server: Running, kube: Kube) -> None:
    ca = str(server.home / "pki" / "apiserver-ca.crt")
    for headers in ({}, {"Authorization": "Bearer stranger"}, {"Authorization": "Basic eA=="}):
        assert requests.get(kube.server + MAPS, headers=headers, verify=ca, timeout=5).status_code == 401
    assert requests.get(kube.server + "/readyz", verify=ca, timeout=5).text == "ok"


def test_a_stale_update_is_a_conflict(kube: Kube) -> None:
    first = kube.raw("POST", MAPS, json=config_map("stale", a="1")).json()
    kube.raw("PUT", MAPS + "/stale", json=first | {"data": {"a": "2"}})
    assert refusal(kube, "PUT", MAPS + "/stale", json=first | {"data": {"a": "3"}}) == (409, "Conflict")
    assert refusal(kube, "POST", MAPS, json=config_map("stale")) == (409, "AlreadyExists")


def test_json_patch_and_merge_patch(kube: Kube) -> None:
    kube.raw("POST", MAPS, json=config_map("patched", a="1", b="2"))
    path, kind = MAPS + "/patched", "application/{}-patch+json"
    merged = kube.raw("PATCH", path, json={"data": {"a": None}}, headers={"Content-Type": kind.format("merge")})
    assert merged.json()["data"] == {"b": "2"}
    operations = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "add", "path": "/data/c", "value": "3"}]
    done = kube.raw("PATCH", path, json=operations, headers={"Content-Type": kind.format("json")})
    assert done.json()["data"] == {"b": "2", "c": "3"}
    operations[0]["value"] = "9"
    headers = {"Content-Type": kind.format("json")}
    assert refusal(kube, "PATCH", path, json=operations, headers=headers) == (422, "Invalid")
    with pytest.raises(ApiError) as refused:
        kube.raw("PATCH", path, json=[{"op": "remove", "path": "/data/z"}], headers=headers)
    assert """{"op":"remove","path":"/data/z"} cannot be applied: there is no 'z'""" in str(refused.value)


def test_selectors_choose(kube: Kube) -> None:
    for name, tier in (("s1", "front"), ("s2", "back")):
        kube.raw("POST", MAPS, json=config_map(name, {"tier": tier}))
    names = lambda query: [i["metadata"]["name"] for i in kube.raw("GET", MAPS + query).json()["items"]]  # noqa: E731
    assert names("?labelSelector=tier=front") == ["s1"]
    assert names("?labelSelector=tier!=front,tier") == ["s2"]
    assert names("?fieldSelector=metadata.name=s2") == ["s2"]
    kube.raw("DELETE", MAPS + "?labelSelector=tier=front")
    assert names("?labelSelector=tier") == ["s2"]


def test_a_selecting_watch_sees_objects_enter_and_leave(kube: Kube) -> None:
    since = kube.raw("GET", MAPS).json()["metadata"]["resourceVersion"]
    kube.raw("POST", MAPS, json=config_map("moving"))
    for value in ("x", None):
        patch = {"metadata": {"labels": {"chosen": value}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        kube.raw("PATCH", MAPS + "/moving", json=patch, headers=headers)
    query = f"?watch=1&labelSelector=chosen&resourceVersion={since}&timeoutSeconds=1"
    lines = kube.raw("GET", MAPS + query).text.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "DELETED"]


def test_initial_events_end_with_a_bookmark(kube: Kube) -> None:
    query = (
        "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
    )
    events = [json.loads(line) for line in kube.raw("GET", "/api/v1/namespaces" + query).text.splitlines()]
    assert events[-1]["type"] == "BOOKMARK"
    assert events[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_grace_period_beyond_all_time_is_refused(kube: Kube) -> None:
    kube.raw("POST", MAPS, json=config_map("patient"))
    assert refusal(kube, "DELETE", MAPS + "/patient", json={"gracePeriodSeconds": 2**53}) == (422, "Invalid")


def test_what_is_not_there_makes_no_series(kube: Kube) -> None:
    for name in ("never", "heard-of"):
        refusal(kube, "GET", f"/apis/{name}.io/v1/namespaces/wire/{name}")
    text = kube.raw("GET", "/metrics").text
    assert "heard-of" not in text and 'code="404",resource="-"' in text


def test_metrics_count_requests(kube: Kube) -> None:
    kube.raw("GET", MAPS)
    assert 'apiserver_request_total{code="200",resource="configmaps",verb="list"}' in kube.raw("GET", "/metrics").text


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/apply-patch+yaml"])
def test_many_patches_at_once_never_conflict_and_none_is_lost(kube: Kube, server: Running, kind: str) -> None:
    """A patch says what to change, not from which version: only one that names a version can be too late."""
    name = f"crowd-{kind[12:17]}"
    kube.raw("POST", MAPS, json=config_map(name))

    def write(worker: int) -> None:
        own = Kube(server.kubeconfig)
        for count in range(20):
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name},
                "data": {f"w{worker}": str(count)},
            }
            own.raw(
                "PATCH", f"{MAPS}/{name}?fieldManager=w{worker}", data=json.dumps(body), headers={"Content-Type": kind}
            )

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(write, range(6)))
    assert kube.raw("GET", f"{MAPS}/{name}").json()["data"] == {f"w{worker}": "19" for worker in range(6)}
