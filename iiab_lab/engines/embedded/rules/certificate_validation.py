"""Certificates and CertificateRequests → what of their fields does not go together, as (field, what is wrong with it).

In the words of cert-manager's webhook.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from cryptography import x509

from ..objects.meta import Object
from . import certificate_matching, certificates

Problem = tuple[str, str]
_LEAST_DURATION, _LEAST_RENEW_BEFORE = 3600.0, 300.0
_SIZES = {"RSA": range(2048, 8193), "ECDSA": (256, 384, 521)}
_NAMES = ("commonName", "dnsNames", "uris", "ipAddresses")
_NAMELESS = (
    'Invalid value: "": at least one of commonName (from the commonName field or from a literalSubject), dnsNames, '
    "emailSANs, ipAddresses, otherNames, or uriSANs must be set"
)
_BOTH = "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set"


def certificate(obj: Object) -> list[Problem]:
    spec = obj["spec"]
    return [*_issuer(spec), *_asked(spec), *_key(spec), *_life(spec)]


def request(obj: Object) -> list[Problem]:
    spec = obj["spec"]
    found = list(_issuer(spec))
    try:
        asked = certificate_matching.csr(obj)
    except ValueError:
        return [*found, ("spec.request", "Invalid value: error decoding certificate request PEM block")]
    for extension in asked.extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca != spec.get("isCA", False):
            said = "Invalid value: the CSR's isCA value does not match the CertificateRequest's isCA value"
            found.append(("spec.request", said))
    return found


def _issuer(spec: Object) -> Iterator[Problem]:
    reference = spec["issuerRef"]
    if not reference["name"]:
        yield "spec.issuerRef.name", "Required value: must be specified"
    kind, group = reference.get("kind", ""), reference.get("group", "")
    if group in ("", "cert-manager.io") and kind not in ("", "Issuer", "ClusterIssuer"):
        hint = "" if group else " (did you forget to set spec.issuerRef.kind.group?)"
        yield "spec.issuerRef.kind", f'Invalid value: "{kind}": must be one of Issuer or ClusterIssuer{hint}'


def _asked(spec: Object) -> Iterator[Problem]:
    if not spec["secretName"]:
        yield "spec.secretName", "Required value: must be specified"
    if not any(spec.get(name) for name in _NAMES):
        yield "spec", _NAMELESS
    if len(spec.get("commonName", "")) > 64:
        yield "spec.commonName", "Too long: may not be more than 64 bytes"
    for index, address in enumerate(spec.get("ipAddresses") or ()):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield f"spec.ipAddresses[{index}]", f'Invalid value: "{address}": invalid IP address'
    if spec.get("revisionHistoryLimit", 1) < 1:
        said = f"Invalid value: {spec['revisionHistoryLimit']}: must not be less than 1"
        yield "spec.revisionHistoryLimit", said


def _key(spec: Object) -> Iterator[Problem]:
    key = spec.get("privateKey") or {}
    algorithm, size = key.get("algorithm", "RSA"), key.get("size", 0)
    if size and size not in _SIZES.get(algorithm, (size,)):
        said = (
            f"Invalid value: {size}: must be between 2048 and 8192 for rsa keyAlgorithm"
            if algorithm == "RSA"
            else f'Unsupported value: {size}: supported values: "256", "384", "521"'
        )
        yield "spec.privateKey.size", said


def _life(spec: Object) -> Iterator[Problem]:
    duration = certificates.seconds(spec["duration"]) if "duration" in spec else certificates.DEFAULT_SECONDS
    if duration < _LEAST_DURATION:
        yield "spec.duration", f'Invalid value: "{spec["duration"]}": certificate duration must be greater than 1h0m0s'
    percent = spec.get("renewBeforePercentage")
    if "renewBefore" in spec and percent is not None:
        yield "spec.renewBefore", f'Invalid value: "{spec["renewBefore"]}": {_BOTH}'
        yield "spec.renewBeforePercentage", f"Invalid value: {percent}: {_BOTH}"
    if "renewBefore" in spec:
        before, given = certificates.seconds(spec["renewBefore"]), spec["renewBefore"]
        if before < _LEAST_RENEW_BEFORE:
            yield "spec.renewBefore", f'Invalid value: "{given}": certificate renewBefore must be greater than 5m0s'
        if before >= duration:
            said = f"certificate duration {spec.get('duration', '2160h0m0s')} must be greater than renewBefore {given}"
            yield "spec.renewBefore", f'Invalid value: "{given}": {said}'
    if percent is not None:
        # By the webhook's own arithmetic, which counts from the other end.
        before = duration * (100 - percent) / 100
        said = "certificate renewBeforePercentage must result in a renewBefore"
        if before < _LEAST_RENEW_BEFORE:
            yield "spec.renewBeforePercentage", f"Invalid value: {percent}: {said} greater than 5m0s"
        if before >= duration:
            yield "spec.renewBeforePercentage", f"Invalid value: {percent}: {said} less than duration"
