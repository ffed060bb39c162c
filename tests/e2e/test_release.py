"""A release from its first canary to the way back, under requests that never pause: each of them is answered by some version."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from iiab_lab.assets import manifests
from iiab_lab.kube import Kube, documents, has_condition

from .lab import SETOSA, Lab, eventually

PREDICT = "/v1/models/iris:predict"
NAMESPACE, ONE, TWO, THREE = "tenant-a", *(f"iris-predictor-0000{n}" for n in (1, 2, 3))
PATHS = {
    "isvc": "/apis/serving.kserve.io/v1beta1/namespaces/tenant-a/inferenceservices/iris",
    "virtualservice": "/apis/networking.istio.io/v1/namespaces/tenant-a/virtualservices/iris-predictor-ingress",
    "revisions": "/apis/serving.knative.dev/v1/namespaces/tenant-a/revisions",
}


class Release:
    """The service `iris`, its owner's kubectl, and a client of it."""

    def __init__(self, lab: Lab, token: str) -> None:
        self.lab, self.kube = lab, Kube(lab.home / "kubeconfig")
        self.url = lab.url("gateway")
        self.headers = {"Authorization": f"Bearer {token}"}

    def read(self, what: str) -> dict[str, Any]:
        found: dict[str, Any] = self.kube.raw("GET", PATHS[what]).json()
        return found

    def set(self, version: str, percent: int | None) -> None:
        """None takes the field away."""
        spec = {"canaryTrafficPercent": percent, "model": {"storageUri": f"pvc://models/iris/{version}"}}
        patch = {"spec": {"predictor": spec}}
        self.kube.merge("serving.kserve.io/v1beta1", "InferenceService", "iris", NAMESPACE, patch)

    @property
    def predictor(self) -> dict[str, Any]:
        found: dict[str, Any] = self.read("isvc")["status"]["components"]["predictor"]
        return found

    def rollout(self) -> tuple[str, str, str, str]:
        fields = (
            "latestCreatedRevision",
            "latestReadyRevision",
            "latestRolledoutRevision",
            "previousRolledoutRevision",
        )
        first, *rest = (str(self.predictor.get(field, "")) for field in fields)
        return (first, rest[0], rest[1], rest[2])

    def weights(self) -> dict[str, int]:
        routes = self.read("virtualservice")["spec"]["http"][0]["route"]
        return {one["destination"]["host"].split(".")[0]: one["weight"] for one in routes}

    def predict(self, session: requests.Session, path: str = PREDICT) -> tuple[int, str]:
        """(status, the revision that answered)"""
        answer = session.post(f"{self.url}{path}", json=SETOSA, headers=self.headers, timeout=10)
        return answer.status_code, answer.headers.get("knative-serving-revision", "")

    def answers(self, count: int = 100, path: str = PREDICT) -> Counter[tuple[int, str]]:
        with session() as own:
            return Counter(self.predict(own, path) for _ in range(count))


def session() -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    return made


WAY_IN = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: to-{name}, namespace: tenant-a}}
spec:
  parentRefs: [{{name: ai-inference-gateway, namespace: envoy-gateway-system}}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]
    filters:
    - type: URLRewrite
      urlRewrite:
        hostname: {name}.tenant-a.example.com
        path: {{type: ReplacePrefixMatch, replacePrefixMatch: /v1/models}}
    backendRefs: [{{name: istio-ingressgateway, namespace: istio-system, port: 443}}]
"""
# Hosts that only who is inside can ask; these routes let the test in.
TAGS = {tag: f"{tag}-iris-predictor" for tag in ("latest", "prev")}
INSIDE = [yaml.safe_load(WAY_IN.format(name=name)) for name in (*TAGS.values(), "colour")]


@pytest.fixture(scope="module")
def release(lab: Lab, tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    file: Path = tmp_path_factory.mktemp("release") / "release.yaml"
    released = [obj for _, obj in documents(manifests() / "scenarios/release.yaml")]
    file.write_text(yaml.safe_dump_all([*released, *INSIDE]))
    lab.kubectl("apply", "-f", str(file))
    try:
        lab.kubectl("wait", "--for=condition=Ready", "isvc/iris", "-n", NAMESPACE, "--timeout=60s")
        made = Release(lab, tokens[NAMESPACE])
        eventually(lambda: made.answers(1) == {(200, ONE): 1})
        yield made
    finally:
        lab.kubectl("delete", "-f", str(file))


@contextlib.contextmanager
def asking(release: Release, path: str) -> Iterator[Counter[tuple[int, str]]]:
    """What requests that never pause are answered with, all the while."""
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def ask() -> None:
        with session() as own:
            while not over.is_set():
                seen[release.predict(own, path)] += 1
                time.sleep(0.005)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def asked(release: Release) -> Iterator[Counter[tuple[int, str]]]:
    with asking(release, PREDICT) as seen:
        yield seen


def sees(release: Release, weights: dict[str, int], rollout: tuple[str, str, str, str]) -> None:
    eventually(lambda: release.weights() == weights and release.rollout() == rollout)


def test_a_canary_gets_its_share_and_each_answer_tells_who_gave_it(release: Release, asked: Counter[Any]) -> None:
    release.set("v2", 10)
    sees(release, {TWO: 10, ONE: 90}, (TWO, TWO, ONE, ""))
    # The routes have it before the statuses that are copied from one to the next.
    eventually(lambda: _shares(release) == [(TWO, 10, "latest"), (ONE, 90, "prev")])
    eventually(lambda: set(release.answers()) == {(200, ONE), (200, TWO)})
    columns = release.lab.kubectl("get", "isvc", "iris", "-n", NAMESPACE).stdout.splitlines()
    assert columns[0].split()[3:7] == ["PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION"]
    assert columns[1].split()[3:7] == ["90", "10", ONE, TWO]


def _shares(release: Release) -> list[tuple[str, int, str]]:
    return [(t["revisionName"], t["percent"], t["tag"]) for t in release.predictor["traffic"]]


def test_each_tag_has_a_host_that_always_leads_to_its_revision(release: Release, asked: Counter[Any]) -> None:
    hosts = {target["tag"]: target["url"] for target in release.predictor["traffic"]}
    assert hosts == {tag: f"http://{name}.{NAMESPACE}.example.com" for tag, name in TAGS.items()}
    for tag, revision in (("latest", TWO), ("prev", ONE)):
        path = f"/{TAGS[tag]}/iris:predict"
        eventually(lambda path=path, revision=revision: set(release.answers(20, path)) == {(200, revision)})


def test_it_is_promoted_by_taking_the_percentage_away(release: Release, asked: Counter[Any]) -> None:
    release.set("v2", None)
    sees(release, {TWO: 100}, (TWO, TWO, TWO, ONE))
    eventually(lambda: set(release.answers(30)) == {(200, TWO)})


def test_and_0_brings_the_one_before_back(release: Release, asked: Counter[Any]) -> None:
    release.set("v2", 0)
    sees(release, {ONE: 100}, (TWO, TWO, ONE, ONE))
    eventually(lambda: set(release.answers(30)) == {(200, ONE)})
    mine = [one for one in release.read("revisions")["items"] if one["metadata"]["name"].startswith("iris-")]
    assert len(mine) == 2


def test_a_version_that_cannot_be_loaded_takes_nothing_and_says_why(release: Release, asked: Counter[Any]) -> None:
    release.set("v2", None)
    sees(release, {TWO: 100}, (TWO, TWO, TWO, ONE))
    release.set("none", 50)

    def told() -> Any:
        status = release.read("isvc")["status"]
        found = {c["type"]: (c["status"], c.get("message", "")) for c in status["conditions"]}
        return found["PredictorConfigurationReady"][0] == "False" and found["PredictorConfigurationReady"][1]

    message = eventually(told)
    assert THREE in message and "no 'none'" in message
    sees(release, {TWO: 100}, (THREE, TWO, TWO, ONE))
    assert set(release.answers(30)) == {(200, TWO)}
    status = release.read("isvc")["status"]["modelStatus"]
    assert (status["transitionStatus"], status["lastFailureInfo"]["modelRevisionName"]) == (
        "BlockedByFailedLoad",
        THREE,
    )


def test_meanwhile_no_request_was_lost(release: Release, asked: Counter[tuple[int, str]]) -> None:
    assert {status for status, _ in asked} == {200} and {revision for _, revision in asked} == {ONE, TWO}
    assert sum(asked.values()) > 200


class Colours:
    """A Knative Service with two revisions, and no InferenceService above it that would have its own will."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.template = release.kube.raw("GET", SERVICES + "/iris-predictor").json()["spec"]["template"]
        self.template["metadata"]["labels"] = {"component": "predictor"}

    def apply(self, template: str, version: str, **percents: int) -> None:
        annotations = self.template["metadata"]["annotations"] | {SOURCE: f"pvc://models/iris/{version}"}
        named = self.template["metadata"] | {"name": f"colour-{template}", "annotations": annotations}
        traffic = [{"revisionName": f"colour-{colour}", "percent": percent} for colour, percent in percents.items()]
        meta = {"name": "colour", "namespace": NAMESPACE}
        spec = {"template": self.template | {"metadata": named}, "traffic": traffic}
        self.release.kube.apply(
            {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": meta, "spec": spec}
        )

    def is_ready(self) -> bool:
        service = self.release.kube.raw("GET", SERVICES + "/colour").json()
        current = (service.get("status") or {}).get("observedGeneration") == service["metadata"]["generation"]
        return current and has_condition("Ready")(service)


SERVICES = "/apis/serving.knative.dev/v1/namespaces/tenant-a/services"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"


def test_blue_and_green_change_places_and_back_and_no_request_is_lost(release: Release) -> None:
    colours, path = Colours(release), "/colour/iris:predict"
    try:
        colours.apply("blue", "v1", blue=100)
        eventually(colours.is_ready)
        colours.apply("green", "v2", blue=100, green=0)
        eventually(colours.is_ready)
        eventually(lambda: release.answers(1, path) == {(200, "colour-blue"): 1})
        with asking(release, path) as seen:
            for colour in ("green", "blue", "green", "blue"):
                colours.apply("green", "v2", **{"blue": 0, "green": 0, colour: 100})
                eventually(colours.is_ready)
                eventually(lambda colour=colour: set(release.answers(10, path)) == {(200, f"colour-{colour}")})
        assert set(seen) == {(200, "colour-blue"), (200, "colour-green")}
    finally:
        release.kube.raw("DELETE", SERVICES + "/colour")
