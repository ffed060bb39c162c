"""Client certificates: asked for, approved or denied, and whom they make of their holder."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from iiab_lab.engines.embedded.credentials import Credentials
from iiab_lab.errors import ApiError, LabError
from iiab_lab.kube import Kube

from .conftest import Running, eventually, refusal, who

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def request_for(name: str, *groups: str) -> tuple[str, bytes]:
    """A certificate request, base64, and its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode(), pem


def ask_for(kube: Kube, name: str, request: str) -> None:
    spec = {"request": request, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}
    kube.raw("POST", CSRS, json={"metadata": {"name": name}, "spec": spec | {"username": "somebody-else"}})


def decide(kube: Kube, name: str, decision: str) -> None:
    obj = kube.raw("GET", f"{CSRS}/{name}").json()
    said = {"type": decision, "status": "True", "reason": "Test", "message": "by a test"}
    kube.raw("PUT", f"{CSRS}/{name}/approval", json=obj | {"status": {"conditions": [said]}})


def certified(server: Running, folder: Path, certificate: bytes, key: bytes) -> Kube:
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return Kube(folder / "kubeconfig")


def test_an_approved_request_becomes_a_certificate_that_is_its_owner(
    server: Running, kube: Kube, space: str, tmp_path: Path
) -> None:
    request, key = request_for("cora", "dev", "ops")
    ask_for(kube, space, request)
    assert kube.raw("GET", f"{CSRS}/{space}").json()["spec"]["username"] == "kubernetes-admin", (
        "who asked, not who said"
    )
    assert "status" not in kube.raw("GET", f"{CSRS}/{space}").json()
    decide(kube, space, "Approved")
    signed = eventually(lambda: (kube.raw("GET", f"{CSRS}/{space}").json()["status"]).get("certificate"))
    cora = certified(server, tmp_path, base64.b64decode(signed), key)
    assert who(cora)["username"] == "cora" and set(who(cora)["groups"]) == {"dev", "ops", "system:authenticated"}
    assert refusal(lambda: cora.raw("GET", "/api/v1/secrets"))[0] == 403
    cora.session.headers["Authorization"] = "Bearer wrong"
    assert refusal(lambda: who(cora))[0] == 401, "a wrong token is not made good by a certificate"


def test_a_denied_request_and_one_for_masters_get_no_certificate(kube: Kube, space: str) -> None:
    ask_for(kube, f"{space}-d", request_for("dan")[0])
    decide(kube, f"{space}-d", "Denied")
    assert refusal(lambda: decide(kube, f"{space}-d", "Approved"))[0] == 422
    ask_for(kube, f"{space}-m", request_for("mia", "system:masters")[0])
    decide(kube, f"{space}-m", "Approved")
    failed = eventually(
        lambda: [
            c for c in kube.raw("GET", f"{CSRS}/{space}-m").json()["status"]["conditions"] if c["type"] == "Failed"
        ]
    )
    assert failed[0]["status"] == "True"
    for name in ("d", "m"):
        assert "certificate" not in kube.raw("GET", f"{CSRS}/{space}-{name}").json()["status"]


def test_a_certificate_of_another_authority_is_nobody(server: Running, tmp_path: Path) -> None:
    stranger = Credentials.open(tmp_path / "other", 1)
    request, key = request_for("eve", "dev")
    eve = certified(server, tmp_path, stranger.sign_client(base64.b64decode(request), 600), key)
    with pytest.raises(LabError) as refused:
        who(eve)
    assert not isinstance(refused.value, ApiError) or refused.value.code == 401


def test_who_asked_cert_manager_is_written_by_the_server(kube: Kube, space: str) -> None:
    path = kube.path("cert-manager.io/v1", "CertificateRequest", space)
    spec = {"request": request_for("nora")[0], "issuerRef": {"name": "ca"}, "username": "somebody-else"}
    made = kube.raw("POST", path, json={"metadata": {"name": "mine"}, "spec": spec}).json()
    assert made["spec"]["username"] == "kubernetes-admin"
    both = [{"type": type_, "status": "True", "reason": "Test"} for type_ in ("Approved", "Denied")]
    now = kube.raw("GET", f"{path}/mine").json() | {"status": {"conditions": both}}
    with pytest.raises(ApiError, match="both 'Denied' and 'Approved' conditions cannot coexist"):
        kube.raw("PUT", f"{path}/mine/status", json=now)
