"""A tenant's own VirtualService and DestinationRule in front of a model: in force at once, refused in Istio's words, no harm to others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded.rules import pki

from .lab import Lab
from .test_mesh import EDGE, TIER_2, edge_ca, issued, port_of  # noqa: F401
from .test_mesh import call as call_door

GATEWAY = "knative-serving/knative-ingress-gateway"
MODEL = "sklearn-iris-predictor-00001"
ROUTES = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: own-way, namespace: tenant-a}}
spec:
  hosts: [own-way.tenant-a.example.com]
  gateways: [{GATEWAY}]
  http:
  - match: [{{uri: {{exact: /closed}}}}]
    directResponse: {{status: 403}}
  - retries: {{attempts: 0}}
    route: [{{destination: {{host: {MODEL}, subset: this}}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: own-way, namespace: tenant-a}}
spec:
  host: {MODEL}
  subsets:
  - name: this
    labels: {{serving.knative.dev/revision: {MODEL}}}
    trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: x-user}}}}}}
"""
GRAB = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: grab, namespace: tenant-b}}
spec:
  hosts: [sklearn-iris.tenant-a.example.com]
  gateways: [{GATEWAY}]
  http: [{{directResponse: {{status: 418}}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: wide, namespace: tenant-b}}
spec:
  hosts: ["*"]
  gateways: [{GATEWAY}]
  http: [{{directResponse: {{status: 418}}}}]
"""
BAD = ROUTES.replace("exact: /closed", "regex: '[a-'")


@pytest.fixture
def ask(lab: Lab, edge_ca: pki.Authority, tmp_path: Path) -> Callable[[str], int]:  # noqa: F811
    shown = issued(EDGE, edge_ca)

    def status(host: str) -> int:
        return call_door(
            lab, TIER_2, f"istio-ingressgateway.{TIER_2[0]}.svc.cluster.local", shown, edge_ca.root, tmp_path, host
        )

    return status


@pytest.fixture
def applied(lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    files: list[Path] = []

    def apply(text: str) -> Any:
        files.append(tmp_path / f"{len(files)}.yaml")
        files[-1].write_text(text)
        return lab.kubectl("apply", "-f", str(files[-1]), check=False)

    yield apply
    for file in files:
        lab.kubectl("delete", "--ignore-not-found", "-f", str(file), check=False)


def until(status: Callable[[], int], wanted: int) -> None:
    deadline = time.monotonic() + 10
    while (seen := status()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def test_a_tenants_own_way_to_its_model(lab: Lab, ask: Callable[[str], int], applied: Callable[[str], Any]) -> None:
    host = "own-way.tenant-a.example.com"
    assert ask(host) == 404
    assert applied(ROUTES).returncode == 0
    until(lambda: ask(host), 200)
    said = applied(BAD)
    assert 'denied the request: configuration is invalid: "uri": error parsing regexp' in said.stdout + said.stderr
    assert ask(host) == 200, "what was in force still is"


def test_another_tenants_claim_takes_nothing(
    lab: Lab, ask: Callable[[str], int], applied: Callable[[str], Any]
) -> None:
    assert applied(GRAB).returncode == 0
    until(lambda: ask("nobody.example.org"), 418)
    assert ask("sklearn-iris.tenant-a.example.com") == 200
    assert ask("gone.tenant-a.example.com") == 404
    found = json.loads(lab.kubectl("get", "virtualservice", "grab", "-n", "tenant-b", "-o", "json").stdout)
    (condition,) = found["status"]["conditions"]
    assert "sklearn-iris.tenant-a.example.com belongs to namespace tenant-a" in condition["message"]
