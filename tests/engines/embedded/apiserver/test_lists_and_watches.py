"""Lists in pages and of the past, watches that resume, forms of an answer: what informers stand on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, refusal


@pytest.fixture
def maps(kube: Kube, space: str) -> str:
    """Twelve ConfigMaps; the path of their collection."""
    path = f"/api/v1/namespaces/{space}/configmaps"
    kube.raw("DELETE", path)
    for index in range(12):
        kube.raw("POST", path, json={"metadata": {"name": f"m{index:02}", "labels": {"odd": str(index % 2)}}})
    return path


def names(listed: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"][0] == "m"]


def lines(kube: Kube, path: str, **query: Any) -> list[dict[str, Any]]:
    query = {"watch": "1", "timeoutSeconds": "1"} | query
    return [json.loads(line) for line in kube.raw("GET", path, params=query).text.splitlines()]


def test_pages_are_one_list_as_of_the_first_whatever_is_written_between(kube: Kube, maps: str) -> None:
    first = kube.raw("GET", maps, params={"limit": 5}).json()
    assert len(first["items"]) == 5 and first["metadata"]["remainingItemCount"] >= 7
    kube.raw("DELETE", f"{maps}/m07")
    kube.raw("PATCH", f"{maps}/m08", json={"data": {"new": "1"}}, headers=MERGE)
    kube.raw("POST", maps, json={"metadata": {"name": "m055"}})
    pages, token = [first], first["metadata"]["continue"]
    while token:
        pages.append(kube.raw("GET", maps, params={"limit": 5, "continue": token}).json())
        token = pages[-1]["metadata"].get("continue")
    assert [name for page in pages for name in names(page)] == [f"m{index:02}" for index in range(12)]
    assert {page["metadata"]["resourceVersion"] for page in pages} == {first["metadata"]["resourceVersion"]}
    assert all("new" not in (item.get("data") or {}) for page in pages for item in page["items"])


def test_a_list_of_an_exact_revision_is_as_it_was(kube: Kube, maps: str) -> None:
    then = kube.raw("GET", maps).json()
    kube.raw("DELETE", f"{maps}/m00")
    version = then["metadata"]["resourceVersion"]
    again = kube.raw("GET", maps, params={"resourceVersion": version, "resourceVersionMatch": "Exact"}).json()
    assert again == then
    at_least = kube.raw("GET", maps, params={"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"}).json()
    assert "m00" not in names(at_least)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"continue": "nonsense"}, 400),
        ({"limit": "-1"}, 400),
        ({"limit": "many"}, 400),
        ({"resourceVersion": "x"}, 400),
        ({"resourceVersion": "999999999"}, 504),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersionMatch": "About", "resourceVersion": "1"}, 422),
        ({"fieldSelector": "spec.anything=1"}, 400),
        ({"fieldSelector": "metadata.name"}, 400),
        ({"labelSelector": "=x"}, 400),
        ({"labelSelector": "a in (b"}, 400),
        ({"watch": "1", "sendInitialEvents": "true"}, 422),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan"}, 422),
        ({"watch": "1", "resourceVersion": "999999999"}, 504),
    ],
)
def test_options_that_mean_nothing_are_refused(kube: Kube, query: dict[str, str], code: int) -> None:
    assert refusal(lambda: kube.raw("GET", "/api/v1/namespaces/default/configmaps", params=query))[0] == code


def test_a_watch_resumes_from_any_event_and_misses_none(kube: Kube, maps: str) -> None:
    since = kube.raw("GET", maps).json()["metadata"]["resourceVersion"]
    for index in range(6):
        kube.raw("PATCH", f"{maps}/m0{index}", json={"data": {"n": str(index)}}, headers=MERGE)
    seen = lines(kube, maps, resourceVersion=since)
    assert [event["type"] for event in seen] == ["MODIFIED"] * 6
    for index, event in enumerate(seen):
        version = event["object"]["metadata"]["resourceVersion"]
        rest = lines(kube, maps, resourceVersion=version)
        assert rest == seen[index + 1 :]


@pytest.mark.parametrize(
    ("said", "watches"), [("", True), ("True", True), ("perhaps", True), ("False", False), ("0", False)]
)
def test_a_flag_is_read_as_kubernetes_reads_it(kube: Kube, maps: str, said: str, watches: bool) -> None:
    text = kube.raw("GET", maps, params={"watch": said, "timeoutSeconds": "1"}).text
    assert text.startswith('{"type":"ADDED"') is watches


def test_a_watch_of_one_name_sees_that_one(kube: Kube, maps: str) -> None:
    seen = lines(kube, f"{maps}/m03")
    assert [event["object"]["metadata"]["name"] for event in seen] == ["m03"]


def test_the_initial_events_end_with_a_marked_bookmark_and_the_rest_follows(kube: Kube, maps: str) -> None:
    options = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    seen = lines(kube, maps, labelSelector="odd=1", **options)
    assert [event["type"] for event in seen] == ["ADDED"] * 6 + ["BOOKMARK"]
    mark = seen[-1]["object"]["metadata"]
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
    kube.raw("DELETE", f"{maps}/m01")
    after = lines(kube, maps, labelSelector="odd=1", resourceVersion=mark["resourceVersion"])
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in after] == [("DELETED", "m01")]


def test_what_leaves_a_selection_is_deleted_with_its_last_state_within(kube: Kube, maps: str) -> None:
    since = kube.raw("GET", maps).json()["metadata"]["resourceVersion"]
    kube.raw("PATCH", f"{maps}/m01", json={"metadata": {"labels": {"odd": "no"}}}, headers=MERGE)
    (event,) = lines(kube, maps, labelSelector="odd=1", resourceVersion=since)
    assert event["type"] == "DELETED" and event["object"]["metadata"]["labels"] == {"odd": "1"}
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(since)


def test_an_expired_revision_says_so(kube: Kube, maps: str) -> None:
    """The history of a server begins with it: revision 0 is before."""
    query = {"resourceVersion": "1", "resourceVersionMatch": "Exact"}
    listed = kube.raw("GET", maps, params=query)
    assert listed.json()["items"] == []  # nothing had been compacted yet


def test_metadata_alone_and_tables_and_yaml(kube: Kube, maps: str) -> None:
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = kube.raw("GET", maps, headers={"Accept": partial}).json()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert {item["kind"] for item in listed["items"]} == {"PartialObjectMetadata"}
    assert not any("data" in item for item in listed["items"])
    table = kube.raw("GET", maps, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}).json()
    assert table["kind"] == "Table" and [column["name"] for column in table["columnDefinitions"]][:2] == [
        "Name",
        "Data",
    ]
    assert kube.raw("GET", f"{maps}/m00", headers={"Accept": "application/yaml"}).text.startswith("metadata:")
    protobuf = "application/vnd.kubernetes.protobuf"
    assert kube.raw("GET", maps, headers={"Accept": f"{protobuf},application/json"}).json()["kind"] == "ConfigMapList"
    assert refusal(lambda: kube.raw("GET", maps, headers={"Accept": protobuf}))[:2] == (406, "NotAcceptable")


def test_deleting_a_collection_takes_what_was_selected(kube: Kube, maps: str) -> None:
    gone = kube.raw("DELETE", maps, params={"labelSelector": "odd=0"}).json()
    assert len(gone["items"]) == 6
    assert names(kube.raw("GET", maps).json()) == [f"m{index:02}" for index in range(1, 12, 2)]


def test_a_dry_run_shows_what_would_be_and_changes_nothing(kube: Kube, maps: str) -> None:
    before = kube.raw("GET", maps).json()
    shown = kube.raw("POST", maps, params={"dryRun": "All"}, json={"metadata": {"generateName": "new-"}}).json()
    assert shown["metadata"]["name"].startswith("new-") and "resourceVersion" not in shown["metadata"]
    kube.raw("PATCH", f"{maps}/m00", params={"dryRun": "All"}, json={"data": {"a": "b"}}, headers=MERGE)
    kube.raw("DELETE", f"{maps}/m00", params={"dryRun": "All"})
    kube.raw("DELETE", maps, params={"dryRun": "All"})
    assert kube.raw("GET", maps).json() == before
    assert refusal(lambda: kube.raw("POST", maps, params={"dryRun": "Some"}, json={}))[:2] == (422, "Invalid")


def test_preconditions_hold_a_deletion_back(kube: Kube, maps: str) -> None:
    meta = kube.raw("GET", f"{maps}/m00").json()["metadata"]
    wrong = {"preconditions": {"uid": "other"}}
    code, reason, message = refusal(lambda: kube.raw("DELETE", f"{maps}/m00", json=wrong))
    assert (code, reason) == (409, "Conflict") and "UID in precondition: other" in message
    stale = {"preconditions": {"resourceVersion": "1"}}
    assert refusal(lambda: kube.raw("DELETE", f"{maps}/m00", json=stale))[0] == 409
    kube.raw("DELETE", f"{maps}/m00", json={"preconditions": {"uid": meta["uid"]}})
