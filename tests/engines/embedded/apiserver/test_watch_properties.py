"""Several clients write at random through HTTP while others watch, lose their streams and resume: all see one history."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import Running

Object = dict[str, Any]
WRITERS = 4
INITIAL = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
END = "the-end"


class Writer:
    """A client that writes whatever comes to its mind; what another client was faster with is refused to it."""

    def __init__(self, server: Running, path: str, number: int, writes: int) -> None:
        self._kube, self._path, self._random = Kube(server.kubeconfig), path, random.Random(number)
        self._writes = writes
        self._verbs = [self._create, self._replace, self._merge, self._apply, self._delete, self._repeat]

    def work(self) -> None:
        for count in range(self._writes):
            with contextlib.suppress(ApiError):
                self._random.choice(self._verbs)(f"m{self._random.randrange(6)}", str(count))

    def _meta(self, name: str) -> Object:
        held = ["iiab.lab/held"] if self._random.random() < 0.2 else []
        return {"name": name, "labels": {"tier": self._random.choice(["front", "back"])}, "finalizers": held}

    def _create(self, name: str, value: str) -> None:
        self._kube.raw("POST", self._path, json={"metadata": self._meta(name), "data": {"n": value}})

    def _replace(self, name: str, value: str) -> None:
        held = self._kube.raw("GET", f"{self._path}/{name}").json()
        held["metadata"] |= self._meta(name)
        self._kube.raw("PUT", f"{self._path}/{name}", json=held | {"data": {"n": value}})

    def _repeat(self, name: str, value: str) -> None:
        held = self._kube.raw("GET", f"{self._path}/{name}").json()
        self._kube.raw("PUT", f"{self._path}/{name}", json=held)

    def _merge(self, name: str, value: str) -> None:
        self._patch(name, {"metadata": self._meta(name), "data": {"n": value}}, "merge-patch+json")

    def _apply(self, name: str, value: str) -> None:
        applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": value}}
        self._patch(name, applied, "apply-patch+yaml")

    def _patch(self, name: str, body: Object, kind: str) -> None:
        query = {"fieldManager": "crowd"} | ({"force": "true"} if "apply" in kind else {})
        headers = {"Content-Type": f"application/{kind}"}
        self._kube.raw("PATCH", f"{self._path}/{name}", params=query, data=json.dumps(body), headers=headers)

    def _delete(self, name: str, value: str) -> None:
        self._kube.raw("DELETE", f"{self._path}/{name}")


class Watcher:
    """An informer in small: a list or initial events, then a watch that is cut and resumed at random."""

    def __init__(self, server: Running, path: str, number: int, tier: str, *, initial: bool) -> None:
        self._kube, self._path, self._random = Kube(server.kubeconfig), path, random.Random(number)
        self._initial, self._tier, self.selector = initial, tier or "back", f"tier={tier}" if tier else ""
        self.objects: dict[str, Object] = {}
        self.events: list[tuple[str, str, int]] = []
        self._since = ""

    def begin(self) -> None:
        if not self._initial:
            listed = self._kube.raw("GET", self._path, params={"labelSelector": self.selector}).json()
            self._since = listed["metadata"]["resourceVersion"]
            self.objects = {item["metadata"]["name"]: item for item in listed["items"]}

    def follow(self) -> Watcher:
        while not self._ended():
            most = self._random.randrange(1, 40)
            for _, event in zip(range(most), self._lines(), strict=False):
                self._take(event)
        return self

    def _ended(self) -> bool:
        return any(name == f"{END}-{self._tier}" for _, name, _ in self.events)

    def _lines(self) -> Iterator[Object]:
        query = {"watch": "1", "timeoutSeconds": "1", "labelSelector": self.selector}
        query |= {"resourceVersion": self._since} if self._since else INITIAL
        self.objects = self.objects if self._since else {}
        with self._kube.raw("GET", self._path, params=query, stream=True) as stream:
            for line in stream.iter_lines():
                yield json.loads(line)

    def _take(self, event: Object) -> None:
        kind, obj = event["type"], event["object"]
        revision = int(obj["metadata"]["resourceVersion"])
        if kind == "BOOKMARK":
            self._since = str(revision)
            return
        assert kind in ("ADDED", "MODIFIED", "DELETED"), event
        name = obj["metadata"]["name"]
        if self._since or not self._initial:
            self.events.append((kind, name, revision))
            assert (kind == "ADDED") == (name not in self.objects), "an object is added once"
            assert revision > int(self._since), "revisions only grow"
            self._since = str(revision)
        self.objects.pop(name, None)
        self.objects |= {} if kind == "DELETED" else {name: obj}


@pytest.fixture
def maps(kube: Kube, space: str) -> str:
    path = f"/api/v1/namespaces/{space}/configmaps"
    kube.raw("DELETE", path)
    return path


@pytest.mark.parametrize("writes", [60, pytest.param(2000, marks=pytest.mark.soak)])
def test_all_watchers_see_one_history_that_ends_in_what_is_listed(
    server: Running, kube: Kube, maps: str, writes: int
) -> None:
    plain = [Watcher(server, maps, number, "", initial=False) for number in range(3)]
    others = [Watcher(server, maps, 7, "front", initial=False), Watcher(server, maps, 8, "back", initial=True)]
    for watcher in (*plain, *others):
        watcher.begin()
    with ThreadPoolExecutor(WRITERS + len(plain) + len(others)) as crowd:
        following = [crowd.submit(watcher.follow) for watcher in (*plain, *others)]
        list(crowd.map(lambda number: Writer(server, maps, number, writes).work(), range(WRITERS)))
        for tier in ("front", "back"):  # one end for each selection
            kube.raw("POST", maps, json={"metadata": {"name": f"{END}-{tier}", "labels": {"tier": tier}}})
        watchers = [followed.result(timeout=writes) for followed in following]
    assert plain[0].events == plain[1].events == plain[2].events and len(plain[0].events) > writes
    for watcher in watchers:
        listed = kube.raw("GET", maps, params={"labelSelector": watcher.selector}).json()["items"]
        assert sorted(watcher.objects.values(), key=lambda obj: obj["metadata"]["name"]) == listed
