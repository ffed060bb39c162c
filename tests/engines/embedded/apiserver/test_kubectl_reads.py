"""kubectl shows: lists in every form, watches, descriptions, events."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import eventually
from .kubectl import DEPLOYMENT, Kubectl

STATUS = {
    "phase": "Running",
    "podIP": "127.0.0.1",
    "containerStatuses": [
        {
            "name": "main",
            "image": "x",
            "ready": True,
            "restartCount": 2,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}},
        }
    ],
}


@pytest.fixture
def maps(kubectl: Kubectl) -> Kubectl:
    """With four ConfigMaps beside the one that every namespace has."""
    for index in range(4):
        meta = {"name": f"m{index}", "labels": {"odd": str(index % 2)}}
        one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"order": str(9 - index)}}
        kubectl("create", "-f", "-", stdin=json.dumps(one))
    return kubectl


def create_pod(kubectl: Kubectl) -> str:
    """A Pod `one` that says it runs; its uid."""
    kubectl(
        "run", "one", "--image=x", "--labels=app=one", "--overrides", '{"spec": {"containers": [{"name": "main"}]}}'
    )
    kubectl("patch", "pod", "one", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))
    return str(kubectl.read("pod", "one")["metadata"]["uid"])


def report(kubectl: Kubectl, uid: str, name: str, kind: str, message: str) -> None:
    about = {"apiVersion": "v1", "kind": "Pod", "name": "one", "namespace": kubectl.namespace, "uid": uid}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": about,
        "type": kind,
        "reason": name.title(),
        "message": message,
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "kubelet"},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(event))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-l", "odd=1", "-o", "name"], "configmap/m1 configmap/m3"),
        (["-l", "odd", "--sort-by=.data.order", "-o", "name"], "configmap/m3 configmap/m2 configmap/m1 configmap/m0"),
        (["-l", "odd=1", "-o", "custom-columns=N:.metadata.name,O:.data.order,X:.x"], "N O X m1 8 <none> m3 6 <none>"),
        (["-o", 'jsonpath={.items[?(@.data.order=="7")].metadata.name}'], "m2"),
        (["-l", "odd in (0),odd!=1", "-o", "go-template={{len .items}}"], "2"),
        (["--field-selector", "metadata.name=m3", "-o", "name"], "configmap/m3"),
        (["--field-selector", "metadata.name!=m3", "-l", "odd=1", "-o", "name"], "configmap/m1"),
        (["-l", "odd=1", "-L", "odd", "--no-headers"], "m1 1 AGE 1 m3 1 AGE 1"),
        (["-l", "odd=1", "--show-labels"], "NAME DATA AGE LABELS m1 1 AGE odd=1 m3 1 AGE odd=1"),
        (["m3", "m0"], "NAME DATA AGE m3 1 AGE m0 1 AGE"),
        (["m3", "--no-headers", "-o", "wide"], "m3 1 AGE"),
        (["none", "--ignore-not-found"], ""),
    ],
)
def test_a_list_is_shown_as_it_was_asked_for(maps: Kubectl, options: list[str], said: str) -> None:
    shown = " ".join(maps("get", "configmaps", *options).split())
    assert re.sub(r"\b\d+s\b", "AGE", shown) == said


def test_yaml_and_json_are_the_object_itself(maps: Kubectl) -> None:
    shown = maps("get", "cm", "m1", "-o", "yaml")
    assert shown.startswith('apiVersion: v1\ndata:\n  order: "8"\nkind: ConfigMap\n') and "managedFields" not in shown
    listed = json.loads(maps("get", "cm", "-l", "odd", "-o", "json"))
    assert listed["kind"] == "List" and [item["kind"] for item in listed["items"]] == ["ConfigMap"] * 4


def test_a_list_in_pages_is_the_whole_list(maps: Kubectl) -> None:
    said = maps("get", "cm", "-l", "odd", "--chunk-size=1", "-o", "name", "-v=6")
    assert said.count("limit=1") == 4 and said.count("continue=") == 3
    assert [line for line in said.splitlines() if line.startswith("configmap/")] == [
        f"configmap/m{n}" for n in range(4)
    ]


def test_lists_span_namespaces_and_kinds(maps: Kubectl) -> None:
    everywhere = maps("get", "cm", "-A", "--field-selector", f"metadata.name=m0,metadata.namespace={maps.namespace}")
    assert everywhere.split()[:4] == ["NAMESPACE", "NAME", "DATA", "AGE"] and maps.namespace in everywhere
    maps.apply(DEPLOYMENT % (2, ""))
    assert maps("get", "all", "-o", "name") == "deployment.apps/web\n"
    assert maps("get", "deploy.v1.apps/web", "cm/m0", "-o", "name") == "deployment.apps/web\nconfigmap/m0\n"


def test_wide_columns_are_those_of_kubernetes(kubectl: Kubectl) -> None:
    kubectl.apply(DEPLOYMENT % (2, ""))
    assert re.sub(r"\b\d+s\b", "AGE", " ".join(kubectl("get", "deploy", "-o", "wide").split())) == (
        "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR "
        "web 0/2 0 0 AGE main kserve/sklearnserver app=web"
    )
    kubectl("create", "service", "externalname", "out", "--external-name=example.org")
    assert kubectl("get", "svc", "out", "--no-headers").split()[:5] == [
        *("out", "ExternalName", "<none>", "example.org", "<none>"),
    ]
    create_pod(kubectl)
    assert re.search(r"one +1/1 +Running +2 \(\d+d ago\) .* 127.0.0.1 +<none>", kubectl("get", "po", "-o", "wide"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get", "cm", "none"), 'Error from server (NotFound): configmaps "none" not found'),
        (("get", "pods", "--field-selector", "spec.color=red"), "field label not supported: spec.color"),
        (("get", "things"), 'the server doesn\'t have a resource type "things"'),
        (("get", "cm", "-l", "a b"), "unable to parse requirement"),
        (("get", "--raw", "/apis/none"), "(NotFound)"),
    ],
)
def test_what_cannot_be_shown_is_said(kubectl: Kubectl, words: tuple[str, ...], said: str) -> None:
    assert said in kubectl.refused(*words)


def test_a_watch_shows_every_change_as_it_happens(maps: Kubectl) -> None:
    with maps.going_on("get", "cm", "-w", "-l", "odd", "--output-watch-events") as (_, said):
        seen = lambda: [tuple(line.split()[:2]) for line in said[1:]]  # noqa: E731
        eventually(lambda: len(seen()) == 4)
        for event, words in (
            ("ADDED", ("label", "cm", "kube-root-ca.crt", "odd=2")),
            ("MODIFIED", ("annotate", "cm", "kube-root-ca.crt", "a=b")),
            ("DELETED", ("label", "cm", "kube-root-ca.crt", "odd-")),
        ):
            maps(*words)
            eventually(lambda: seen()[-1] == (event, "kube-root-ca.crt"))  # noqa: B023
        maps("delete", "cm", "m0")
        eventually(lambda: seen()[-1] == ("DELETED", "m0"))
    assert [event for event, _ in seen()] == [*["ADDED"] * 5, "MODIFIED", "DELETED", "DELETED"]


def test_events_are_listed_by_what_they_are_about(kubectl: Kubectl) -> None:
    uid = create_pod(kubectl)
    report(kubectl, uid, "started", "Normal", "it began")
    report(kubectl, uid, "failed", "Warning", "it fell over")
    assert "Pod/one   it fell over" in kubectl("events", "--for", "pod/one", "--types=Warning")
    assert "it began" not in kubectl("events", "--types=Warning")
    assert "No events found" in kubectl("events", "--for", "pod/other")
    columns = kubectl("get", "events", "--field-selector", "involvedObject.name=one,type=Normal").splitlines()
    assert columns[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert columns[1].split()[1:] == ["Normal", "Started", "pod/one", "it", "began"]
    assert re.search(r"Warning +Failed .*kubelet +it fell over", kubectl("describe", "pod", "one"))


def test_a_pod_and_a_deployment_are_described(kubectl: Kubectl) -> None:
    create_pod(kubectl)
    pod = kubectl("describe", "pod", "one")
    for line in (r"Status: +Running", r"Last State: +Terminated", r"Exit Code: +3", r"Restart Count: +2", r"IP: +127"):
        assert re.search(line, pod), pod
    kubectl.apply(DEPLOYMENT % (2, ""))
    deployment = kubectl("describe", "deploy", "web")
    for line in (r"Selector: +app=web", r"Replicas: +2 desired \| 0 updated", r"Image: +kserve/sklearnserver"):
        assert re.search(line, deployment), deployment


def test_a_namespace_is_described_with_its_quota(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "few", "--hard=pods=3,configmaps=10")
    kubectl("wait", "--for=jsonpath={.status.used.configmaps}=1", "quota/few", "--timeout=30s")
    shown = kubectl("describe", "namespace", kubectl.namespace)
    assert re.search(r"Status: +Active", shown) and re.search(r"configmaps +1 +10\n +pods +0 +3", shown)
    assert re.search(r"few +configmaps: 1/10, pods: 0/3", kubectl("get", "quota"))
