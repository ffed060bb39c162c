"""The logs of a node → the stream: each line one record, whatever is killed when; nothing is dropped in silence."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from iiab_lab.services.audit import requests
from iiab_lab.services.audit.shipper import Metrics, Shipper
from iiab_lab.services.audit.stream import HEAD, Limits, Stream
from iiab_lab.services.audit.verify import verify

from .facts import INGRESS, PREDICT, line
from .test_events import event

KEY, PLENTY = b"k" * 32, Limits()


class Node:
    """A node's logs, and the stream made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pods, self.api = folder, folder / "pods", folder / "kubernetes" / "audit.log"
        self.registry = CollectorRegistry()

    def log(self, pod: str, container: str, attempt: int = 0) -> Path:
        made = self.pods / f"{pod}_uid" / container / f"{attempt}.log"
        made.parent.mkdir(parents=True, exist_ok=True)
        return made

    def write(self, pod: str, container: str, *lines: object) -> None:
        with self.log(pod, container).open("ab") as file:
            file.write(b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines))

    def shipper(self, limits: Limits = PLENTY, key: bytes = KEY) -> Shipper:
        self.registry = CollectorRegistry()
        return Shipper(Stream(self.folder / "stream", key, limits), self.pods, self.api, Metrics(self.registry))

    def records(self) -> list[dict[str, object]]:
        return [record for part in reversed(list(requests.newest(self.folder / "stream"))) for record in part]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


EDGE, GATEWAY, MODEL = "envoy-gateway-system_envoy-1", "istio-system_gw-1", "tenant-a_iris-1"


def test_every_hop_and_the_api_server_are_one_stream(node: Node) -> None:
    node.write(EDGE, "envoy", b"[warning] what a proxy says besides", line())
    node.write(MODEL, "istio-proxy", line(hop="sidecar", peer=INGRESS, route=None, subject=None, tenant=None))
    node.write("identity_identity-1", "identity", {"time": "2026-11-25T16:20:01Z", "code": 200, "path": "/token"})
    node.api.parent.mkdir()
    node.api.write_text(json.dumps(event()) + "\n")
    assert node.shipper().look() == 4
    assert sorted(str(record["hop"]) for record in node.records()) == ["api-server", "identity", "sidecar", "tier-1"]
    assert verify(node.folder / "stream", KEY).records == 4
    counted = node.registry.get_sample_value(
        "iiab_audit_records_total", {"plane": "data", "hop": "tier-1", "decision": "allowed", "reason": ""}
    )
    assert counted == 1 and node.registry.get_sample_value("iiab_audit_head") == 4


@pytest.mark.parametrize(
    ("pod", "container"),
    [
        ("tenant-a_envoy-1", "envoy"),
        ("tenant-a_m-1", "management"),
        ("tenant-a_iris-1", "kserve-container"),
        ("odd", "envoy"),
    ],
)
def test_what_a_tenants_program_prints_is_no_record(node: Node, pod: str, container: str) -> None:
    node.write(pod, container, line())
    assert node.shipper().look() == 0


def test_scrapes_of_prometheus_are_left_out_but_not_refused_ones(node: Node) -> None:
    scrape = line(path="/metrics", peer="spiffe://cluster.local/ns/monitoring/sa/prometheus", route=None, subject=None)
    denied = scrape | {"code": 403, "details": "rbac_access_denied_matched_policy[none]"}
    node.write(MODEL, "istio-proxy", scrape, denied, scrape | {"path": PREDICT}, scrape | {"peer": INGRESS})
    assert node.shipper().look() == 3


@pytest.mark.parametrize(
    "text", [b"{", b'{"code": "x"}', b'{"path": "\xff"}', b'{"code": [1]}', b'{"path": "\\ud800"}']
)
def test_a_line_that_cannot_be_read_is_a_record_all_the_same(node: Node, text: bytes) -> None:
    """Nobody gets out of the stream by sending what breaks a line."""
    node.write(EDGE, "envoy", text, line())
    assert node.shipper().look() == 2
    odd = next(record for record in node.records() if record["hop"] == "audit")
    assert (odd["verb"], odd["resource"], odd["decision"]) == ("unreadable", "envoy-gateway-system/envoy-1", "error")


def test_lines_that_were_gone_before_they_were_read_are_a_record(node: Node) -> None:
    node.write(EDGE, "envoy", line())
    shipper = node.shipper()
    shipper.look()
    shipper.close()
    node.log(EDGE, "envoy").rename(node.folder / "elsewhere")
    node.write(EDGE, "envoy", line())
    node.shipper().look()
    assert Counter(record["verb"] for record in node.records()) == {"POST": 2, "gap": 1}


def test_retention_leaves_a_record(node: Node) -> None:
    for _ in range(3):
        node.write(EDGE, "envoy", *[line()] * 20)
        shipper = node.shipper(Limits(segment=1000, total=5000))
        shipper.look()
        shipper.close()
    expired = [record for record in node.records() if record["verb"] == "expire"]
    assert expired and expired[0]["decision"] == "allowed" and str(expired[0]["resource"]).startswith("records 1 to ")
    assert not verify(node.folder / "stream", KEY).broken


def test_a_stream_that_was_spoiled_says_so_itself(node: Node) -> None:
    node.write(EDGE, "envoy", line())
    shipper = node.shipper()
    shipper.look()
    shipper.close()
    (node.folder / "stream" / HEAD).unlink()
    node.shipper().look()
    assert [record["verb"] for record in node.records()][:2] == ["POST", "resume"]
    assert "0-head.json was missing" in str(node.records()[1]["reason"])


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_it_loses_no_line_and_doubles_none(node: Node, seed: int) -> None:
    chance, count = random.Random(seed), 0
    words = [f"--pods={node.pods}", f"--api={node.api}", f"--stream={node.folder}/stream", f"--seal={node.folder}/seal"]
    head = node.folder / "stream" / HEAD
    for _ in range(4):
        before = head.stat().st_mtime_ns if head.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "iiab_lab.services.audit", *words, "--segment-mib=1", "--port=9"],
            env=os.environ | {"IIAB_PORT_9": "0"},
        )
        left = chance.randrange(200)
        while left:  # so many times more once it is at work
            left -= head.exists() and head.stat().st_mtime_ns != before
            for pod, container in ((EDGE, "envoy"), (GATEWAY, "istio-proxy"), (MODEL, "istio-proxy")):
                node.write(pod, container, *(line(request_id=f"{container}-{count + n}") for n in range(5)))
            count += 5
            if chance.random() < 0.02:
                log = node.log(EDGE, "envoy")
                log.rename(log.with_name(f"0.log.{count:09d}"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    node.write(EDGE, "envoy", line(request_id=f"envoy-{count}"))
    key = bytes.fromhex((node.folder / "seal" / "key").read_text())
    shipper = node.shipper(key=key)
    while shipper.look():
        pass
    assert not verify(node.folder / "stream", key).broken
    seen = Counter((record["hop"], record["request_id"]) for record in node.records())
    assert set(seen.values()) == {1} and len(seen) == 3 * count + 1
