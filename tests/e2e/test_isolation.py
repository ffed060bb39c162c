"""What keeps tenants apart on a running platform: a NetworkPolicy cuts off whom none lets in, a quota counts published models, a
memory hog dies alone."""

from __future__ import annotations

import base64
import json
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from iiab_lab import Target, audit, who_may_call

from .lab import PREDICT, SETOSA, Lab, eventually
from .management import Management
from .test_request import Tokens

NETWORKING = "networking.k8s.io/v1"
IRIS = {"matchLabels": {"serving.kserve.io/inferenceservice": "sklearn-iris"}}
COLUMN, INGRESS = "tenant-a/sklearn-iris", "istio-system/istio-ingressgateway"


@pytest.fixture
def put(target: Target) -> Iterator[Any]:
    """Writes an object of tenant-a that is gone again after the test."""
    made: list[tuple[str, str, str]] = []

    def one(api_version: str, kind: str, name: str, **body: Any) -> None:
        path = target.kube.path(api_version, kind, "tenant-a")
        meta = {"name": name, "namespace": "tenant-a"}
        target.kube.raw("POST", path, json={"apiVersion": api_version, "kind": kind, "metadata": meta, **body})
        made.append((api_version, kind, name))

    yield one
    for api_version, kind, name in made:
        target.kube.raw("DELETE", target.kube.path(api_version, kind, "tenant-a", name))


def predict(target: Target, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(target.gateway_url + PREDICT, json=SETOSA, headers=headers, timeout=10).status_code


def cut_off(target: Target) -> list[dict[str, Any]]:
    """The lines of the model's sidecar on connections that it refused."""
    found = target.kube.list("v1", "Pod", "tenant-a", "serving.kserve.io/inferenceservice=sklearn-iris")
    path = f"/api/v1/namespaces/tenant-a/pods/{found[0]['metadata']['name']}/log"
    text = target.kube.raw("GET", path, params={"container": "istio-proxy", "tailLines": "1000"}).text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"')]
    return [line for line in lines if line["method"] == "connect"]


@pytest.mark.usefixtures("without_network_policies")
def test_a_network_policy_cuts_off_whom_none_lets_in(tokens: Tokens, target: Target, put: Any) -> None:
    def answers(code: int) -> None:
        eventually(lambda: predict(target, tokens["tenant-a"]) == code)

    answers(200)
    put(NETWORKING, "NetworkPolicy", "t-nobody", spec={"podSelector": IRIS})
    answers(503)
    # What waits in the activator comes from there; once that knows the Pod again, tier 2 calls it itself.
    refused = eventually(
        lambda: (
            predict(target, tokens["tenant-a"]) == 503
            and [line for line in cut_off(target) if str(line["peer"]).endswith("/sa/istio-ingressgateway")]
        )
    )
    assert refused[0]["details"] == "rbac_access_denied_matched_policy[ns[tenant-a]-networkpolicies[t-nobody]]"
    eventually(lambda: "NetworkPolicy tenant-a/t-nobody" in set(audit(target, tenant="tenant-a")["policy"]))
    assert who_may_call(target, path=PREDICT).why(INGRESS, COLUMN).reason == "no NetworkPolicy lets it connect"
    tier_2 = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "istio-system"}}}
    gateway = tier_2 | {"podSelector": {"matchLabels": {"istio": "ingressgateway"}}}
    rule = {"from": [gateway], "ports": [{"port": 8080}]}
    put(NETWORKING, "NetworkPolicy", "t-tier-2", spec={"podSelector": IRIS, "ingress": [rule]})
    answers(200)
    told = who_may_call(target, path=PREDICT)
    assert (told.frame.loc[INGRESS, COLUMN], told.frame.loc["tenant-b/default", COLUMN]) == ("allowed", "denied")


def test_a_quota_of_published_models_holds_at_the_management_service(
    lab: Lab, tokens: Tokens, target: Target, put: Any
) -> None:
    """Each publication has one ReferenceGrant in its tenant's namespace: that is what a quota counts."""
    counted = "count/referencegrants.gateway.networking.k8s.io"
    put("v1", "ResourceQuota", "t-published", spec={"hard": {counted: "0"}})
    owner = Management(lab, tokens["tenant-a"])
    refused = owner.call("POST", "/api/models/sklearn-iris/publish", {"config": {"tenantId": "tenant-a"}})
    assert refused.status_code == 403 and refused.json()["error"] == "A quota of the tenant is used up"
    limited = f"exceeded quota: t-published, requested: {counted}=1, used: {counted}=0, limited: {counted}=0"
    assert limited in refused.json()["details"]
    left = target.kube.list("v1", "ConfigMap", "tenant-a", "app=published-model")
    assert left == [] and owner.call("GET", "/api/models/sklearn-iris/publish").status_code == 404


class Hog:
    """A model that, once loaded, takes ever more memory."""

    def __reduce__(self) -> Any:
        code = "import time\nheld = []\nwhile True: held.append(bytearray(b'x') * (4 << 20)); time.sleep(0.01)"
        return exec, (code,)


POD = {
    "containers": [
        {
            "name": "main",
            "image": "kserve/sklearnserver:v0.20.0",
            "args": ["--model_name=t-hog", "--model_dir=/mnt/models", "--http_port=8080"],
            "ports": [{"containerPort": 8080}],
            "resources": {"limits": {"memory": "300Mi"}},
            "volumeMounts": [{"name": "model", "mountPath": "/mnt/models"}],
        }
    ],
    "volumes": [{"name": "model", "configMap": {"name": "t-hog"}}],
}


def test_a_memory_hog_dies_alone_and_backs_off(tokens: Tokens, target: Target, put: Any) -> None:
    codes, over = list[int](), threading.Event()

    def others() -> None:
        while not over.wait(0.02):
            codes.append(predict(target, tokens["tenant-a"]))

    def status() -> dict[str, Any]:
        pod = target.kube.get("v1", "Pod", "t-hog", "tenant-a") or {}
        listed = (pod.get("status") or {}).get("containerStatuses") or [{}]
        return next((one for one in listed if one.get("name") == "main"), {})

    eventually(lambda: predict(target, tokens["tenant-a"]) == 200)
    beside = threading.Thread(target=others)
    beside.start()
    try:
        model = base64.b64encode(pickle.dumps(Hog())).decode()
        put("v1", "ConfigMap", "t-hog", binaryData={"model.pkl": model})
        put("v1", "Pod", "t-hog", spec=POD)
        eventually(lambda: (status().get("state") or {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")
    finally:
        over.set()
        beside.join()
    last = status()["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], status()["restartCount"]) == (137, "OOMKilled", 1)
    assert len(codes) > 20 and set(codes) == {200}
