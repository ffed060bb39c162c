"""Under a hundred requests a second over TLS: certificates are renewed and both CAs are rotated, nobody is refused; the old ones are."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import requests

from iiab_lab import Target, renew, rotate_ca, token
from iiab_lab.engines.embedded.objects.times import seconds
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.traffic.client import InferenceClient
from iiab_lab.traffic.load.handle import Load, load
from iiab_lab.traffic.load.phases import Phase

from .lab import Lab, eventually
from .test_mesh import MODEL, NAMES, RIGHT, TIER_2, Door, authority, call, issued

RATE = 100
EDGE_CERTIFICATE = ("ai-inference-gateway-tls", "envoy-gateway-system")
CAS = {"mesh": (MODEL, "cacerts", "istio-system"), "edge": (TIER_2, "lab-root-ca", "cert-manager")}
SCRAPED = 'min_over_time(up{job="podMonitor/monitoring/model-servers/0",pod=~"sklearn-iris.*"}[5s])'


@pytest.fixture
def busy(target: Target) -> Iterator[Callable[[int], Load]]:
    client = InferenceClient(target, token(target, "tenant-a"), tls=True)

    def begin(seconds: int) -> Load:
        return load(client, "sklearn-iris", Phase.constant("constant", RATE, seconds))

    yield begin


def queried(target: Target, expression: str) -> list[float]:
    found = requests.get(f"{target.prometheus_url}/api/v1/query", params={"query": expression}, timeout=5).json()
    return [float(series["value"][1]) for series in found["data"]["result"]]


def served(target: Target) -> str:
    """What the edge shows to a new connection, PEM; verified by the platform's CA."""
    where = urlsplit(target.gateway_tls_url)
    return ssl.get_server_certificate((str(where.hostname), where.port or 443), ca_certs=target.ca)


def test_renewals_fail_no_request(lab: Lab, target: Target, busy: Callable[[int], Load]) -> None:
    run, before = busy(4), served(target)
    pods = target.kube.list("v1", "Pod", "tenant-a", MODEL[1])
    workload = f"pod/{pods[0]['metadata']['name']}"
    for _ in range(3):
        (edge,), (model,) = renew(target, *EDGE_CERTIFICATE), renew(target, workload, "tenant-a")
    assert served(target) != before and (edge.name, model.name) == (EDGE_CERTIFICATE[0], workload)
    expires = 'certmanager_certificate_expiration_timestamp_seconds{name="ai-inference-gateway-tls"}'
    eventually(lambda: queried(target, expires) == [seconds(edge.not_after)], 10)
    told = lab.iiab("renew", "lab-root-ca", "-n", "cert-manager", check=False)
    assert (told.returncode, "iiab rotate-ca edge" in told.stderr) == (2, True)
    assert run.wait().now().seen == {200: 4 * RATE}


@pytest.mark.parametrize("which", CAS)
def test_a_rotation_fails_no_request_and_ends_what_the_old_root_signed(
    lab: Lab, target: Target, busy: Callable[[int], Load], tmp_path: Path, which: str
) -> None:
    door, *where = CAS[which]
    run, before = busy(6), authority(lab, *where)
    rotate_ca(target, which, keep_old=True)
    after = authority(lab, *where)
    assert opens(lab, door, before, after, tmp_path) == opens(lab, door, after, after, tmp_path) == 200
    lab.iiab("rotate-ca", which)
    assert opens(lab, door, after, after, tmp_path) == 200
    with pytest.raises(httpx.TransportError):
        opens(lab, door, before, after, tmp_path)
    assert before.root not in Path(target.ca).read_text() and served(target)
    assert run.wait().now().seen == {200: 6 * RATE}
    assert queried(target, SCRAPED) == [1]


def opens(lab: Lab, door: Door, shown: pki.Authority, trusted: pki.Authority, folder: Path) -> int:
    """The door's answer to the right identity, in a certificate by this CA."""
    return call(lab, door, NAMES[door], issued(RIGHT[door], shown), trusted.root, folder)
