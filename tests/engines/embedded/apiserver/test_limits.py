"""What no client may do to the others: too much, too deep, too long, no text at all. Every refusal is a Status, and the rest goes on."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from iiab_lab.engines.embedded.apiserver.admission import InFlight
from iiab_lab.engines.embedded.apiserver.info import Info
from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import Running, eventually, refusal
from .malformed import MALFORMED, bomb
from .wire import JSON, YAML, Wire, config_map, status


@pytest.fixture
def wire(kube: Kube) -> Wire:
    return Wire(kube)


@pytest.fixture
def maps(space: str) -> str:
    return f"/api/v1/namespaces/{space}/configmaps"


BIG = config_map(a="x" * (3 << 20))


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1 << 16):
        yield content[start : start + (1 << 16)]


def test_a_body_past_three_megabytes_is_413_however_it_comes(wire: Wire, maps: str) -> None:
    for body in (BIG, pieces(BIG)):
        found = status(wire("POST", maps, body, **chunked(body)), 413)
        assert found["reason"] == "RequestEntityTooLarge"
    for method, kind in (("PUT", JSON), ("PATCH", "application/merge-patch+json"), ("DELETE", JSON)):
        status(wire(method, f"{maps}/kube-root-ca.crt", BIG, kind), 413)
    for path in ("/apis/authentication.k8s.io/v1/tokenreviews", f"{maps[:-10]}serviceaccounts/default/token"):
        status(wire("POST", path, BIG), 413)


def chunked(body: Any) -> dict[str, str]:
    return {} if isinstance(body, bytes) else {"Transfer-Encoding": "chunked"}


def test_a_body_just_within_is_taken(wire: Wire, maps: str) -> None:
    body = config_map(a="x" * ((3 << 20) - 200))
    assert wire("POST", maps, body)[0] == 201
    assert wire("PUT", f"{maps}/x", pieces(body), **chunked(iter([])))[0] == 200


@pytest.mark.parametrize(("body", "kind"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_what_is_no_object_is_a_bad_request(wire: Wire, maps: str, body: bytes, kind: str) -> None:
    found = status(wire("POST", maps, body, kind), 400)
    assert found["reason"] == "BadRequest"


def test_a_merge_bomb_does_not_go_off(wire: Wire, maps: str) -> None:
    answer = wire("POST", maps, bomb(12, "<<"), YAML)
    status(answer, answer[0])
    assert answer[0] in (400, 422)


@pytest.mark.parametrize(
    "kind", ["application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json"]
)
@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"7", b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\xff"])
def test_a_patch_that_is_none_is_refused(wire: Wire, maps: str, body: bytes, kind: str) -> None:
    wire("POST", maps, config_map(a="1"))
    answer = wire("PATCH", f"{maps}/x", body, kind)
    status(answer, answer[0])
    assert answer[0] in (400, 422)


LABEL = "metadata.labels"


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        ({"labels": {"a": "x" * 64}}, LABEL),
        ({"labels": {"a": "with space"}}, LABEL),
        ({"labels": {"a" * 64: "x"}}, LABEL),
        ({"labels": {"a/b/c": "x"}}, LABEL),
        ({"labels": {"": "x"}}, LABEL),
        ({"labels": {f"{'p' * 254}/a": "x"}}, LABEL),
        ({"labels": {"a": "ü"}}, LABEL),
        ({"annotations": {"a": "x" * (257 << 10)}}, "metadata.annotations: Too long"),
        ({"annotations": {f"a{i}": "x" * 1024 for i in range(260)}}, "metadata.annotations: Too long"),
        ({"annotations": {"not a key": "x"}}, "metadata.annotations"),
        ({"name": "x" * 254}, "metadata.name"),
        ({"name": "X"}, "metadata.name"),
        ({"name": ""}, "metadata.name"),
        ({"name": "x\n"}, "metadata.name"),
        ({"name": "٣"}, "metadata.name"),
    ],
)
def test_metadata_past_its_limits_is_invalid(kube: Kube, maps: str, meta: dict[str, Any], field: str) -> None:
    body = {"metadata": {"name": "x"} | meta}
    code, reason, message = refusal(lambda: kube.raw("POST", maps, json=body))
    assert (code, reason) == (422, "Invalid") and field in message


def test_much_of_what_is_allowed_is_taken(kube: Kube, maps: str) -> None:
    labels = {f"label-{index}": "x" * 63 for index in range(5000)}
    annotations = {"example.com/note": "ü" * (100 << 10)}
    made = kube.raw("POST", maps, json={"metadata": {"name": "x", "labels": labels, "annotations": annotations}}).json()
    assert made["metadata"]["labels"] == labels and made["metadata"]["annotations"] == annotations
    assert len(kube.raw("GET", maps, params={"labelSelector": "label-4999"}).json()["items"]) == 1


@pytest.mark.parametrize("replicas", [2**31, -(2**31) - 1, 2**63, 2**70, 10**400, 1.5, "3", True])
def test_a_number_that_does_not_fit_is_refused(kube: Kube, space: str, replicas: Any) -> None:
    pod = {"containers": [{"name": "c", "image": "x"}]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}},
    }
    spec["template"]["spec"] = pod
    body = {"metadata": {"name": "x"}, "spec": spec}
    path = f"/apis/apps/v1/namespaces/{space}/deployments"
    assert refusal(lambda: kube.raw("POST", path, json=body))[0] in (400, 422)


def test_of_a_key_that_is_there_twice_the_last_one_counts_and_none_is_lost_silently(wire: Wire, maps: str) -> None:
    """Kubernetes: strict clients are refused, the others warned."""
    body = b'{"metadata": {"name": "x"}, "data": {"a": "1", "a": "2"}}'
    refused = status(wire("POST", f"{maps}?fieldValidation=Strict", body), 400)
    assert 'duplicate field "data.a"' in refused["message"]
    code, headers, content = wire("POST", maps, body)
    assert code == 201 and json.loads(content)["data"] == {"a": "2"}
    assert 'duplicate field \\"data.a\\"' in headers["warning"]
    assert "warning" not in wire("PUT", f"{maps}/x?fieldValidation=Ignore", body)[1]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "application/jso", "x", ""])
def test_a_body_of_another_kind_is_415(wire: Wire, maps: str, kind: str) -> None:
    answer = wire("POST", maps, b"metadata: {name: x}", kind)
    assert answer[0] == (415 if kind else 400)
    status(answer, answer[0])


def test_a_patch_of_another_kind_is_415_and_says_which_are_taken(wire: Wire, maps: str) -> None:
    assert wire("POST", maps, b'{"metadata": {"name": "there"}}', JSON)[0] == 201
    found = status(wire("PATCH", f"{maps}/there", b"{}", JSON), 415)
    assert "application/merge-patch+json" in found["message"] and found["reason"] == "UnsupportedMediaType"


@pytest.mark.parametrize(
    "accept", ["text/html", "application/cbor", "image/png", "application/json;as=Nothing;v=v1;g=x"]
)
def test_an_answer_nobody_can_make_is_406(wire: Wire, maps: str, accept: str) -> None:
    assert status(wire("GET", maps, Accept=accept), 406)["reason"] == "NotAcceptable"
    assert wire("GET", maps, Accept=f"{accept}, */*")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"k8s\x00",
        b"k8s\x00\xff\xff\xff",
        b"\x00" * 50,
        b"{}",
        b"k8s\x00" + b"\x0a\xff\xff\xff\xff\x0f",
        b"k8s\x00\n\x02v1" * 1000,
    ],
)
def test_what_is_no_protobuf_is_refused(wire: Wire, maps: str, body: bytes) -> None:
    answer = wire("POST", maps, body, "application/vnd.kubernetes.protobuf")
    assert answer[0] in (400, 415)
    status(answer, answer[0])


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("OPTIONS", "/api/v1/pods", 405),
        ("TRACE", "/api/v1/pods", 405),
        ("PROPFIND", "/api/v1/pods", 405),
        ("POST", "/healthz", 405),
        ("PUT", "/api/v1/namespaces", 405),
        ("PATCH", "/api/v1/namespaces", 405),
        ("POST", "/api/v1/namespaces/default", 405),
        ("POST", "/api/v1/pods", 405),
        ("PUT", "/version", 405),
        ("GET", "/api/v1/pods/a", 404),
        ("DELETE", "/apis/apps/v1/deployments/a", 404),
        ("GET", "/api/v1/namespaces/default/../kube-system/secrets", 404),
        ("GET", "/api/v1/namespaces/default/%2e%2e/kube-system/secrets", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/..%2f..%2fsecrets", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%00", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/%ff%fe", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a%0d%0ab", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/x?labelSelector=%ff", 404),
        ("GET", "/api/v1/namespaces/default/configmaps?labelSelector=%ff", 400),
        ("GET", "/api/v1/namespaces/default/configmaps?limit=99999999999999999999", 400),
        ("GET", "/api/v2/pods", 404),
        ("GET", "/healthzz", 404),
        ("GET", "/apis/apps", 200),
        ("GET", "/api/v1/namespaces/default/", 200),
        ("GET", "/api/v1/namespaces/default/%63onfigmaps", 200),
        ("GET", "/api/v1//namespaces", 200),
    ],
)
def test_odd_methods_and_paths_find_their_answer(wire: Wire, method: str, path: str, code: int) -> None:
    answer = wire(method, path)
    if code == 200:
        assert answer[0] == 200
    else:
        status(answer, code)


def test_head_is_a_get_without_its_body(wire: Wire, maps: str) -> None:
    code, headers, content = wire("HEAD", maps)
    assert (code, content) == (200, b"") and headers["content-type"] == JSON
    assert wire("HEAD", f"{maps}/none")[0] == 404


@pytest.mark.parametrize("method", ["NONSENSE", "get"])
def test_a_word_that_is_no_method_is_refused(wire: Wire, method: str) -> None:
    assert wire(method, "/api/v1/pods")[0] in (400, 405, 501)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/pods?labelSelector=" + "a" * (2 << 20), {}),
        ("/" + "a" * (2 << 20), {}),
        ("/api/v1/pods", {"X-Long": "a" * (2 << 20)}),
        ("/api/v1/pods", {f"X-{index}": "a" * 1000 for index in range(2000)}),
    ],
)
def test_a_head_past_a_megabyte_is_refused(wire: Wire, path: str, headers: dict[str, str]) -> None:
    answer = wire("GET", path, **headers)
    assert answer[0] in (414, 431)
    status(answer, answer[0])


def test_a_long_url_that_fits_is_answered(wire: Wire, maps: str) -> None:
    selector = ",".join(f"label-{index}=x" for index in range(5000))
    assert wire("GET", f"{maps}?labelSelector={selector}")[0] == 200


def test_while_much_is_wrong_the_others_are_served(wire: Wire, kube: Kube, maps: str, server: Running) -> None:
    wrong = [case for case in MALFORMED if len(case[1]) > 1000] + [("big", BIG, JSON)] * 4
    stop = threading.Event()

    def annoy(index: int) -> None:
        while not stop.is_set():
            _, body, kind = wrong[index % len(wrong)]
            assert wire("POST", maps, body, kind)[0] in (400, 413)

    with ThreadPoolExecutor(20) as crowd:
        crowds = [crowd.submit(annoy, index) for index in range(20)]
        try:
            healthy = Kube(server.kubeconfig)
            for index in range(5):
                healthy.raw("POST", maps, json={"metadata": {"name": f"fine-{index}"}}, timeout=60)
                assert healthy.raw("GET", f"{maps}/fine-{index}", timeout=60).json()["metadata"]["name"]
        finally:
            stop.set()
    for done in crowds:
        done.result()
    names = {item["metadata"]["name"] for item in kube.raw("GET", maps).json()["items"]}
    assert {f"fine-{index}" for index in range(5)} <= names and "x" not in names


async def in_flight(door: InFlight, infos: list[Info], leave: asyncio.Event) -> list[asyncio.Task[None]]:
    """So many requests at once, each inside until told to leave."""

    async def one(info: Info) -> None:
        async with door.one(info):
            await leave.wait()

    tasks = [asyncio.create_task(one(info)) for info in infos]
    await asyncio.sleep(0)
    return tasks


def test_too_many_at_once_are_told_to_come_back() -> None:
    read, write, watch = Info("list", "/"), Info("create", "/"), Info("watch", "/")

    async def play() -> None:
        door, leave = InFlight(CollectorRegistry(), reads=3, writes=2), asyncio.Event()
        inside = await in_flight(door, [read] * 3 + [write] * 2 + [watch] * 50, leave)
        assert not any(task.done() for task in inside), "watches are not counted"
        for info in (read, write):
            with pytest.raises(ApiError) as refused:
                async with door.one(info):
                    pass
            assert (refused.value.code, refused.value.reason) == (429, "TooManyRequests")
        leave.set()
        await asyncio.gather(*inside)
        async with door.one(read), door.one(write):
            pass

    asyncio.run(play())


def test_the_door_counts_those_that_fail_and_those_that_go_too() -> None:
    async def play() -> None:
        door, leave = InFlight(CollectorRegistry(), reads=1, writes=1), asyncio.Event()
        with pytest.raises(ZeroDivisionError):
            async with door.one(Info("get", "/")):
                raise ZeroDivisionError
        (task,) = await in_flight(door, [Info("get", "/")], leave)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with door.one(Info("get", "/")):
            pass

    asyncio.run(play())


def test_slow_writers_fill_the_server_and_the_next_reads_when_to_come_back(kube: Kube, wire: Wire, maps: str) -> None:
    """Two hundred that never finish their bodies; reads still get in."""
    host, token = kube.server.removeprefix("https://"), str(kube.session.headers["Authorization"])
    slow = []
    for _ in range(200):
        connection = http.client.HTTPSConnection(host, context=kube.tls, timeout=60)
        connection.putrequest("POST", maps)
        for name, value in (("Authorization", token), ("Content-Type", JSON), ("Content-Length", "100")):
            connection.putheader(name, value)
        connection.endheaders(b"{")
        slow.append(connection)
    gauge = 'apiserver_current_inflight_requests{request_kind="mutating"} 200.0'
    eventually(lambda: gauge in kube.raw("GET", "/metrics").text)
    answer = wire("POST", maps, config_map(a="1"))
    assert status(answer, 429)["reason"] == "TooManyRequests" and int(answer[1]["retry-after"]) >= 1
    assert wire("GET", maps)[0] == 200
    for connection in slow:
        connection.close()
    eventually(lambda: wire("PUT", f"{maps}/kube-root-ca.crt", config_map())[0] != 429)
