"""A release from its first canary to the way back, under requests that never pause: each of them is answered by some version."""

from __future__ import annotations

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
from iiab_lab.kube import Kube, documents

from .lab import SETOSA, Lab, eventually

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
        patch = {"Content-Type": "application/merge-patch+json"}
        self.kube.raw("PATCH", PATHS["isvc"], json={"spec": {"predictor": spec}}, headers=patch)

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

    def predict(self, session: requests.Session, path: str = "/v1/models/iris:predict") -> tuple[int, str]:
        """(status, the revision that answered)"""
        answer = session.post(f"{self.url}{path}", json=SETOSA, headers=self.headers, timeout=10)
        return answer.status_code, answer.headers.get("knative-serving-revision", "")

    def answers(self, count: int = 100, path: str = "/v1/models/iris:predict") -> Counter[tuple[int, str]]:
        with session() as own:
            return Counter(self.predict(own, path) for _ in range(count))


def session() -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    return made


# What a tag's host answers: Knative gives it to whoever is inside; this lets the test in.
TAGS = [
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": f"iris-{tag}", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "ai-inference-gateway", "namespace": "envoy-gateway-system"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/{tag}"}}],
                    "filters": [
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {
                                "hostname": f"{tag}-iris-predictor.{NAMESPACE}.example.com",
                                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1/models"},
                            },
                        }
                    ],
                    "backendRefs": [{"name": "istio-ingressgateway", "namespace": "istio-system", "port": 443}],
                }
            ],
        },
    }
    for tag in ("latest", "prev")
]


@pytest.fixture(scope="module")
def release(lab: Lab, tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    file: Path = tmp_path_factory.mktemp("release") / "release.yaml"
    released = [obj for _, obj in documents(manifests() / "scenarios/release.yaml")]
    file.write_text(yaml.safe_dump_all([*released, *TAGS]))
    lab.kubectl("apply", "-f", str(file))
    try:
        lab.kubectl("wait", "--for=condition=Ready", "isvc/iris", "-n", NAMESPACE, "--timeout=60s")
        made = Release(lab, tokens[NAMESPACE])
        eventually(lambda: made.answers(1) == {(200, ONE): 1})
        yield made
    finally:
        lab.kubectl("delete", "-f", str(file))


@pytest.fixture(scope="module")
def asked(release: Release) -> Iterator[Counter[tuple[int, str]]]:
    """What requests that never pause are answered with, all the while."""
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def ask() -> None:
        with session() as own:
            while not over.is_set():
                seen[release.predict(own)] += 1
                time.sleep(0.005)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield seen
    over.set()
    for thread in threads:
        thread.join()


def sees(release: Release, weights: dict[str, int], rollout: tuple[str, str, str, str]) -> None:
    eventually(lambda: release.weights() == weights and release.rollout() == rollout)


def test_a_canary_gets_its_share_and_each_answer_tells_who_gave_it(release: Release, asked: Counter[Any]) -> None:
    release.set("v2", 10)
    sees(release, {TWO: 10, ONE: 90}, (TWO, TWO, ONE, ""))
    shares = [(t["revisionName"], t["percent"], t["tag"]) for t in release.predictor["traffic"]]
    assert shares == [(TWO, 10, "latest"), (ONE, 90, "prev")]
    eventually(lambda: set(release.answers()) == {(200, ONE), (200, TWO)})
    columns = release.lab.kubectl("get", "isvc", "iris", "-n", NAMESPACE).stdout.splitlines()
    assert columns[0].split()[3:7] == ["PREV", "LATEST", "PREVROLLEDOUTREVISION", "LATESTREADYREVISION"]
    assert columns[1].split()[3:7] == ["90", "10", ONE, TWO]


def test_each_tag_has_a_host_that_always_leads_to_its_revision(release: Release, asked: Counter[Any]) -> None:
    hosts = {target["tag"]: target["url"] for target in release.predictor["traffic"]}
    assert hosts == {tag: f"http://{tag}-iris-predictor.{NAMESPACE}.example.com" for tag in ("latest", "prev")}
    for tag, revision in (("latest", TWO), ("prev", ONE)):
        eventually(
            lambda tag=tag, revision=revision: set(release.answers(20, f"/{tag}/iris:predict")) == {(200, revision)}
        )


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
