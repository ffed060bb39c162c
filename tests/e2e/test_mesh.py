"""Nothing reaches the model but through both tiers: each door is tried with the wrong key, and with the right one."""

from __future__ import annotations

import json
import socket
import ssl
import time
from pathlib import Path

import httpx
import pytest

from iiab_lab.engines.embedded.rules import certificates, pki

from .lab import PREDICT, SETOSA, Lab

EDGE = "spiffe://cluster.local/ns/envoy-gateway-system/sa/envoy-ai-inference-gateway"
INGRESS = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"
PROMETHEUS = "spiffe://cluster.local/ns/monitoring/sa/prometheus"
TENANT_B = "spiffe://cluster.local/ns/tenant-b/sa/default"
MODEL = ("tenant-a", "serving.kserve.io/inferenceservice=sklearn-iris", "8080")
TIER_2 = ("istio-system", "istio=ingressgateway", "8443")
HOST = "sklearn-iris.tenant-a.example.com"
Door = tuple[str, str, str]


def authority(lab: Lab, name: str, namespace: str) -> pki.Authority:
    """A CA of the platform's own: with it, only the identity is wrong."""
    found = certificates.authority(json.loads(lab.kubectl("get", "secret", name, "-n", namespace, "-o", "json").stdout))
    assert found
    return found


@pytest.fixture(scope="module")
def mesh_ca(lab: Lab) -> pki.Authority:
    return authority(lab, "cacerts", "istio-system")


@pytest.fixture(scope="module")
def edge_ca(lab: Lab) -> pki.Authority:
    """By whose certificates the tiers know each other."""
    return authority(lab, "lab-root-ca", "cert-manager")


@pytest.fixture(scope="module")
def cas(mesh_ca: pki.Authority, edge_ca: pki.Authority) -> dict[Door, pki.Authority]:
    return {MODEL: mesh_ca, TIER_2: edge_ca}


def port_of(lab: Lab, door: Door) -> int:
    namespace, selector, port = door
    pods = json.loads(lab.kubectl("get", "pod", "-n", namespace, "-l", selector, "-o", "json").stdout)["items"]
    return int(json.loads(pods[0]["metadata"]["annotations"]["iiab.lab/ports"])[port])


def issued(identity: str, authority: pki.Authority | None) -> pki.Issued:
    usages = ("digital signature", "client auth")
    return pki.issue(pki.Request(3600, uris=(identity,), usages=usages, algorithm="ECDSA"), authority, time.time())


def call(lab: Lab, door: Door, name: str, shown: pki.Issued | None, root: str, folder: Path, host: str = HOST) -> int:
    """The status of a prediction sent straight to the door under TLS, showing this certificate."""
    context = ssl.create_default_context(cadata=root)
    if shown:
        (folder / "shown.pem").write_text(shown.chain + shown.key)
        context.load_cert_chain(folder / "shown.pem")
    headers = {"Host": host}
    url = f"https://127.0.0.1:{port_of(lab, door)}{PREDICT}"
    with httpx.Client(verify=context, trust_env=False, timeout=10) as client:
        return client.post(url, json=SETOSA, headers=headers, extensions={"sni_hostname": name}).status_code


NAMES = {MODEL: "workload.mesh.local", TIER_2: "istio-ingressgateway.istio-system.svc.cluster.local"}
RIGHT = {MODEL: INGRESS, TIER_2: EDGE}
DOORS = pytest.mark.parametrize("door", [MODEL, TIER_2], ids=["sidecar", "tier-2"])


@DOORS
def test_the_right_identity_is_let_in(lab: Lab, cas: dict[Door, pki.Authority], tmp_path: Path, door: Door) -> None:
    shown = issued(RIGHT[door], cas[door])
    assert call(lab, door, NAMES[door], shown, cas[door].root, tmp_path) == 200


OTHERS = pytest.mark.parametrize(
    "identity", [TENANT_B, EDGE.replace("envoy-ai", "other"), "spiffe://elsewhere/ns/x/sa/y"]
)


@OTHERS
def test_another_identity_is_403_at_tier_2(lab: Lab, edge_ca: pki.Authority, tmp_path: Path, identity: str) -> None:
    try:
        assert call(lab, TIER_2, NAMES[TIER_2], issued(identity, edge_ca), edge_ca.root, tmp_path) == 403
    except httpx.TransportError:  # a foreign trust domain may be refused in the handshake already
        assert identity.startswith("spiffe://elsewhere")


@OTHERS
def test_another_identity_is_cut_off_at_the_model(
    lab: Lab, mesh_ca: pki.Authority, tmp_path: Path, identity: str
) -> None:
    """By the tenant's NetworkPolicies."""
    with pytest.raises(httpx.TransportError):
        call(lab, MODEL, NAMES[MODEL], issued(identity, mesh_ca), mesh_ca.root, tmp_path)


def test_the_edges_identity_does_not_open_the_model(lab: Lab, mesh_ca: pki.Authority, tmp_path: Path) -> None:
    """Tier 1 cannot skip tier 2."""
    with pytest.raises(httpx.TransportError):
        call(lab, MODEL, NAMES[MODEL], issued(EDGE, mesh_ca), mesh_ca.root, tmp_path)


def test_who_may_connect_may_not_ask_for_everything(lab: Lab, mesh_ca: pki.Authority, tmp_path: Path) -> None:
    """Prometheus reads metrics: of the tenant's AuthorizationPolicy, a prediction is none."""
    assert call(lab, MODEL, NAMES[MODEL], issued(PROMETHEUS, mesh_ca), mesh_ca.root, tmp_path) == 403


@DOORS
def test_no_certificate_is_refused(lab: Lab, cas: dict[Door, pki.Authority], tmp_path: Path, door: Door) -> None:
    with pytest.raises(httpx.TransportError):
        call(lab, door, NAMES[door], None, cas[door].root, tmp_path)


@DOORS
def test_the_right_name_from_a_foreign_ca_is_refused(
    lab: Lab, cas: dict[Door, pki.Authority], tmp_path: Path, door: Door
) -> None:
    with pytest.raises(httpx.TransportError):
        call(lab, door, NAMES[door], issued(RIGHT[door], None), cas[door].root, tmp_path)


@DOORS
def test_plaintext_is_refused(lab: Lab, door: Door) -> None:
    with socket.create_connection(("127.0.0.1", port_of(lab, door)), 5) as plain:
        plain.sendall(b"GET /v1/models/sklearn-iris HTTP/1.1\r\nHost: sklearn-iris.tenant-a.example.com\r\n\r\n")
        try:
            answer = plain.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert answer == b""


def test_no_process_listens_beyond_loopback(lab: Lab) -> None:
    found = [c.laddr for p in lab.processes() for c in p.connections("inet") if c.status == "LISTEN"]
    # gRPC listens on an IPv6 socket that takes IPv4 alone.
    assert found and {address.ip.removeprefix("::ffff:") for address in found} <= {"127.0.0.1", "::1"}


def test_the_model_server_has_no_port(lab: Lab) -> None:
    server = next(p for p in lab.processes() if "iiab_lab.runtimes.sklearn" in p.cmdline())
    assert not [c for c in server.connections("inet") if c.status == "LISTEN"]
