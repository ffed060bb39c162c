"""When a certificate is renewed, why it is issued anew, what a request becomes, what does not come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from iiab_lab.engines.embedded.objects.times import rfc3339
from iiab_lab.engines.embedded.rules import certificate_policies as policies
from iiab_lab.engines.embedded.rules import certificate_requests as requests
from iiab_lab.engines.embedded.rules import certificate_status, certificate_validation, certificates, pki

Spoil = Callable[[Any, Any, Any], Any]
NOW = 1_800_000_000.0
DAY = 86400.0
ISSUER = {"name": "ca", "kind": "ClusterIssuer"}
EC = {"algorithm": "ECDSA"}


def certificate(**spec: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "here", "uid": "u", "generation": 1}
    asked = {"secretName": "web", "dnsNames": ["web.example"], "privateKey": EC, "issuerRef": ISSUER}
    return {"kind": "Certificate", "metadata": meta, "spec": asked | spec, "status": {}}


def ca() -> pki.Authority:
    request = pki.Request(10 * DAY, common_name="ca", is_ca=True, usages=("cert sign",), algorithm="ECDSA")
    made = pki.issue(request, None, NOW)
    return pki.Authority(made.chain, made.key, made.root)


CA = ca()


def made_request(of: dict[str, Any], key: str) -> dict[str, Any]:
    meta = {"name": "web-1", "namespace": "here", "annotations": {certificates.REVISION: "1"}}
    return {"metadata": meta, "spec": certificate_status.request_spec(of, key)}


def secret(of: dict[str, Any], at: float = NOW, **annotations: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a Certificate had issued at that time, and the request it came by."""
    key = pki.new_key(certificates.request(of))
    request = made_request(of, key)
    issued = pki.sign(certificates.decoded(request["spec"]["request"]), certificates.request(of), CA, at)
    request["status"] = {
        "certificate": certificates.encoded(issued.chain),
        "ca": certificates.encoded(issued.root),
    }
    made = certificate_status.secret(of, None, request, key)
    made["metadata"]["annotations"] |= annotations
    return made, request


@pytest.mark.parametrize(
    ("spec", "before"),
    [
        ({}, 30 * DAY),
        ({"renewBefore": "240h"}, 10 * DAY),
        ({"renewBeforePercentage": 20}, 18 * DAY),
        ({"renewBefore": "9999h"}, 30 * DAY),
        ({"renewBeforePercentage": 100}, 30 * DAY),
    ],
)
def test_when_a_certificate_is_due(spec: dict[str, Any], before: float) -> None:
    assert certificates.renewal(certificate(**spec), NOW, NOW + 90 * DAY) == NOW + 90 * DAY - before


def _spec(**changes: Any) -> Spoil:
    return lambda of, made, request: of["spec"].update(changes)


def _untold(made: Any) -> None:
    for one in certificates.ISSUER:
        del made["metadata"]["annotations"][one]


def _without_request(of: Any, made: Any, request: Any) -> None:
    of["spec"]["dnsNames"] = ["other.example"]
    made["unseen"] = True


SPOILS: dict[str, Spoil] = {
    "no secret": lambda of, made, request: made.clear(),
    "no data": lambda of, made, request: made.update(data={}),
    "no key": lambda of, made, request: made["data"].pop("tls.key"),
    "no certificate": lambda of, made, request: made["data"].pop("tls.crt"),
    "another's key": lambda of, made, request: made["data"].update({"tls.key": secret(of)[0]["data"]["tls.key"]}),
    "rubbish": lambda of, made, request: made["data"].update({"tls.crt": certificates.encoded("rubbish")}),
    "another issuer": _spec(issuerRef={"name": "other"}),
    "an issuer nobody told of": lambda of, made, request: _untold(made),
    "another certificate's": lambda of, made, request: made["metadata"]["annotations"].update(
        {certificates.NAME: "other"}
    ),
    "another algorithm": _spec(privateKey={"algorithm": "Ed25519"}),
    "another size": _spec(privateKey={"algorithm": "ECDSA", "size": 384}),
    "somebody wrote the secret": lambda of, made, request: made.update(data=secret(of)[0]["data"]),
    "another name": _spec(dnsNames=["other.example"]),
    "another name, no request": _without_request,
    "other usages": _spec(usages=["server auth"]),
    "another duration": lambda of, made, request: (
        of["spec"].update(duration="24h"),
        request["spec"].update(duration="48h"),
    ),
}
LATER = {"due": 60 * DAY, "not due": 60 * DAY - 1}


def spoilt(how: str) -> policies.Seen:
    of = certificate()
    made, request = secret(of)
    SPOILS.get(how, lambda *_: None)(of, made, request)
    seen = None if made.pop("unseen", False) else request
    return policies.Seen(of, made or None, seen, NOW + LATER.get(how, 0))


CHANGED = "Fields on existing CertificateRequest resource not up to date: "


@pytest.mark.parametrize(
    ("how", "reason", "message"),
    [
        ("no secret", "DoesNotExist", "Issuing certificate as Secret does not exist"),
        ("no data", "MissingData", "Issuing certificate as Secret does not contain any data"),
        ("no key", "MissingData", "Issuing certificate as Secret does not contain a private key"),
        ("no certificate", "MissingData", "Issuing certificate as Secret does not contain a certificate"),
        ("another's key", "InvalidKeyPair", "a private key that does not match the certificate"),
        ("rubbish", "InvalidCertificate", "Issuing certificate as Secret contains an invalid certificate"),
        ("another issuer", "IncorrectIssuer", 'previously issued by "ClusterIssuer.cert-manager.io/ca"'),
        ("an issuer nobody told of", "IncorrectIssuer", 'previously issued by "Issuer.cert-manager.io/"'),
        ("another certificate's", "IncorrectCertificate", 'Secret was issued for "other".'),
        ("another algorithm", "SecretMismatch", "not up to date for spec: [spec.privateKey.algorithm]"),
        ("another size", "SecretMismatch", "not up to date for spec: [spec.privateKey.size]"),
        ("somebody wrote the secret", "SecretMismatch", "does not match the current CertificateRequest"),
        ("another name", "RequestChanged", CHANGED + "[spec.dnsNames]"),
        ("another name, no request", "SecretMismatch", "is not up to date for spec: [spec.dnsNames]"),
        ("other usages", "RequestChanged", CHANGED + "[spec.usages]"),
        ("another duration", "RequestChanged", CHANGED + "[spec.duration]"),
        ("due", "Renewing", "Renewing certificate as renewal was scheduled at 2027-03-16 08:00:00 +0000 UTC"),
        ("not due", "", ""),
    ],
)
def test_why_a_certificate_is_issued_anew(how: str, reason: str, message: str) -> None:
    found = policies.to_issue(spoilt(how)) or ("", "")
    assert found[0] == reason and message in found[1]
    assert (policies.not_ready(spoilt(how)) is None) == (how in ("due", "not due"))


def test_a_root_nobody_told_the_issuer_of_stays() -> None:
    of = certificate(commonName="ca", dnsNames=[], isCA=True)
    data = {"tls.crt": certificates.encoded(CA.chain), "tls.key": certificates.encoded(CA.key)}
    assert policies.to_issue(policies.Seen(of, {"metadata": {}, "data": data}, None, NOW)) is None


def test_an_expired_certificate_is_not_ready() -> None:
    made, request = secret(certificate())
    seen = policies.Seen(certificate(), made, request, NOW + 91 * DAY)
    assert policies.not_ready(seen) == ("Expired", "Certificate expired on Thu, 15 Apr 2027 08:00:00 UTC")


@pytest.mark.parametrize(("times", "hours"), [(1, 1), (2, 2), (3, 4), (6, 32), (9, 32)])
def test_failures_double_the_wait_until_the_certificate_is_changed(times: int, hours: int) -> None:
    of = certificate()
    of["status"] = {"lastFailureTime": rfc3339(NOW), "failedIssuanceAttempts": times}
    failed = made_request(of, pki.new_key(certificates.request(of)))
    assert policies.back_off(of, failed, NOW) == hours * 3600
    assert policies.back_off(of, failed, NOW + hours * 3600) == 0
    of["spec"]["dnsNames"] = ["other.example"]
    assert policies.back_off(of, failed, NOW) == 0


def issuer(ready: bool = True, **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"kind": "ClusterIssuer", "spec": spec or {"ca": {"secretName": "ca"}}, "status": {"conditions": conditions}}


HELD = {"data": {name: certificates.encoded(text) for name, text in (("tls.crt", CA.chain), ("tls.key", CA.key))}}
KEY = pki.new_key(pki.Request(1, algorithm="ECDSA"))
OWN = {"data": {"tls.key": certificates.encoded(KEY)}}
OTHER = {"data": {"tls.key": certificates.encoded(pki.new_key(pki.Request(1, algorithm="ECDSA")))}}
SELF = issuer(selfSigned={})
NAMED = {certificates.PRIVATE_KEY: "key"}


@pytest.mark.parametrize(
    ("conditions", "annotations", "signer", "expected"),
    [
        (["Approved"], {}, (issuer(), HELD, "ca", None), ("True", "Issued", requests.ISSUED)),
        ([], {}, (issuer(), HELD, "ca", None), None),
        (["Denied"], {}, (issuer(), HELD, "ca", None), ("False", "Denied", "denied by an approval controller")),
        (["Approved", "InvalidRequest"], {}, (issuer(), HELD, "ca", None), None),
        (["Approved"], {}, (None, None, "", None), ("False", "Pending", 'Referenced "ClusterIssuer" not found')),
        (["Approved"], {}, (issuer(False), HELD, "ca", None), ("False", "Pending", "does not have a Ready status")),
        (["Approved"], {}, (issuer(), None, "ca", None), ("False", "Pending", "secret cert-manager/ca not found")),
        (["Approved"], NAMED, (SELF, None, "", OWN), ("True", "Issued", requests.ISSUED)),
        (["Approved"], {}, (SELF, None, "", None), ("False", "Failed", "missing or reference empty")),
        (["Approved"], NAMED, (SELF, None, "", None), ("False", "Pending", "secret here/key not found")),
        (["Approved"], NAMED, (SELF, None, "", OTHER), ("False", "Failed", "CSR not signed by referenced private key")),
    ],
)
def test_what_becomes_of_a_request(
    conditions: list[str], annotations: dict[str, str], signer: tuple[Any, ...], expected: tuple[str, ...] | None
) -> None:
    request = made_request(certificate(usages=["server auth"], duration="24h"), KEY)
    request["metadata"]["annotations"] |= annotations
    request["status"] = {"conditions": [{"type": type_, "status": "True"} for type_ in conditions]}
    said = requests.outcome(request, requests.Signer(*signer), NOW)
    if expected is None:
        assert said is None
        return
    assert said is not None
    status = requests.status(request, said, rfc3339(NOW))
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == expected[:2] and expected[2] in ready["message"]
    assert ("certificate" in status) == (expected[1] == "Issued")
    assert ("failureTime" in status) == (expected[1] in ("Failed", "Denied"))


def test_a_signed_request_is_what_was_asked_for_by_whom_it_names() -> None:
    request = made_request(certificate(usages=["server auth"], duration="24h"), KEY)
    request["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    said = requests.outcome(request, requests.Signer(issuer(), HELD, "ca", None), NOW)
    assert said is not None and said.issued is not None
    held = pki.describe(said.issued.chain)
    held.verify_directly_issued_by(pki.describe(CA.chain))
    assert (said.issued.not_before, said.issued.not_after) == (NOW, NOW + DAY) and said.issued.root == CA.root
    assert held.public_key() == pki.private_key(KEY).public_key()


@pytest.mark.parametrize(
    ("algorithm", "size", "encoding", "kind", "begins"),
    [
        ("RSA", 0, "PKCS1", rsa.RSAPrivateKey, "-----BEGIN RSA PRIVATE KEY"),
        ("ECDSA", 384, "PKCS1", ec.EllipticCurvePrivateKey, "-----BEGIN EC PRIVATE KEY"),
        ("ECDSA", 521, "PKCS8", ec.EllipticCurvePrivateKey, "-----BEGIN PRIVATE KEY"),
        ("Ed25519", 0, "PKCS1", ed25519.Ed25519PrivateKey, "-----BEGIN PRIVATE KEY"),
    ],
)
def test_a_key_is_as_asked_for(algorithm: str, size: int, encoding: str, kind: type, begins: str) -> None:
    request = pki.Request(60, common_name="x", algorithm=algorithm, size=size, encoding=encoding)
    issued = pki.issue(request, None, NOW)
    key = pki.private_key(issued.key)
    assert isinstance(key, kind) and issued.key.startswith(begins) and not pki.key_violations(request, key)
    assert pki.describe(issued.chain).public_key() == key.public_key()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, ""),
        ({"dnsNames": []}, "at least one of commonName"),
        ({"duration": "59m"}, "certificate duration must be greater than 1h0m0s"),
        ({"renewBefore": "4m"}, "certificate renewBefore must be greater than 5m0s"),
        ({"duration": "2h", "renewBefore": "2h"}, "certificate duration 2h must be greater than renewBefore 2h"),
        ({"renewBefore": "1h", "renewBeforePercentage": 10}, "mutually exclusive"),
        ({"renewBeforePercentage": 100}, "must result in a renewBefore greater than 5m0s"),
        ({"renewBeforePercentage": 0}, "must result in a renewBefore less than duration"),
        ({"revisionHistoryLimit": 0}, "must not be less than 1"),
        ({"ipAddresses": ["1.2.3"]}, "invalid IP address"),
        ({"commonName": "x" * 65}, "may not be more than 64 bytes"),
        ({"privateKey": {"algorithm": "ECDSA", "size": 300}}, "Unsupported value: 300"),
        ({"privateKey": {"size": 1024}}, "must be between 2048 and 8192"),
        ({"issuerRef": {"name": "ca", "kind": "Other"}}, "must be one of Issuer or ClusterIssuer (did you forget"),
        ({"issuerRef": {"name": ""}}, "Required value: must be specified"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], said: str) -> None:
    found = certificate_validation.certificate(certificate(**spec))
    assert bool(found) == bool(said) and said in " ".join(message for _, message in found)
