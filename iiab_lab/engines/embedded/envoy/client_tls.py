"""tls of a ClientTrafficPolicy → the parameters of Envoy's TLS context: versions, ciphers, ALPN, and whose certificates are taken.

Source of defaults and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go, internal/xds/translator/listener.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..objects.kinds import CONFIG_MAP, Key
from ..objects.meta import Object
from .header_mutations import string
from .references import granted
from .verdicts import Invalid
from .world import World, secret_text

Resource = dict[str, Any]

_VERSIONS = {"Auto": "TLS_AUTO", "1.0": "TLSv1_0", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
_AES = tuple(f"{keys}AES{size}" for keys in ("ECDHE-ECDSA-", "ECDHE-RSA-", "") for size in ("128", "256"))
# What Envoy's TLS library knows: it refuses a listener that names another, and with it every other change of the Gateway.
_CIPHERS = {
    *(f"{one}-SHA" for one in _AES),
    *(f"{one}-GCM-SHA{'256' if one.endswith('128') else '384'}" for one in _AES),
    *("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
}
_CURVES = {"X25519", "X25519MLKEM768", "P-256", "P-384", "P-521"}
_SIGNATURES = {
    *(f"rsa_pkcs1_sha{size}" for size in (256, 384, 512)),
    *(f"rsa_pss_rsae_sha{size}" for size in (256, 384, 512)),
    *("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519"),
}
_LISTS = (
    ("ciphers", "cipher_suites", "cipher suite", _CIPHERS),
    ("ecdhCurves", "ecdh_curves", "ECDH curve", _CURVES),
    ("signatureAlgorithms", "signature_algorithms", "signature algorithm", _SIGNATURES),
)
_SANS = {"dnsNames": "DNS", "emailAddresses": "EMAIL", "ipAddresses": "IP_ADDRESS", "uris": "URI"}
_REQUIRED = ("RequireAny", "RequireAndVerify")
_UNTRUSTED = ("Request", "RequireAny")


def context(world: World, policy: Object) -> tuple[Resource, Resource]:
    """(what goes into the CommonTlsContext, what stands beside it). Raises Invalid."""
    wanted = policy["spec"].get("tls") or {}
    common: Resource = {"tls_params": _parameters(wanted)}
    if "alpnProtocols" in wanted:
        common["alpn_protocols"] = list(wanted["alpnProtocols"])
    beside = _session((wanted.get("session") or {}).get("resumption") or {})
    if "clientValidation" in wanted:
        validation = wanted["clientValidation"]
        common["validation_context"] = _validation(world, policy, validation)
        beside["require_client_certificate"] = validation.get("mode", "RequireAndVerify") in _REQUIRED
    return common, beside


def _parameters(wanted: Object) -> Resource:
    made: Resource = {
        "tls_minimum_protocol_version": _VERSIONS[wanted.get("minVersion", "1.2")],
        "tls_maximum_protocol_version": _VERSIONS[wanted.get("maxVersion", "1.3")],
    }
    for theirs, ours, what, known in _LISTS:
        if other := next((one for one in wanted.get(theirs) or () if one not in known), None):
            raise Invalid(f"unsupported {what}: {other}; choose of {', '.join(sorted(known))}")
        made |= {ours: list(wanted[theirs])} if wanted.get(theirs) else {}
    return made


def _session(wanted: Object) -> Resource:
    """Resumption is off unless it is asked for: tickets and cached sessions outlive the key that they were made under."""
    made: Resource = {} if "stateful" in wanted else {"disable_stateful_session_resumption": True}
    return made | ({} if "stateless" in wanted else {"disable_stateless_session_resumption": True})


def _validation(world: World, policy: Object, wanted: Object) -> Resource:
    mode = wanted.get("mode", "RequireAndVerify")
    trusted = "".join(_authority(world, policy, ref) for ref in wanted.get("caCertificateRefs") or ())
    if not trusted and mode not in _UNTRUSTED:
        raise Invalid(f'tls.clientValidation.mode "{mode}" requires caCertificateRefs')
    made: Resource = {"trusted_ca": {"inline_string": trusted}} if trusted else {}
    made |= {"trust_chain_verification": "ACCEPT_UNTRUSTED"} if mode in _UNTRUSTED else {}
    made |= {"allow_expired_certificate": True} if wanted.get("allowExpiredCertificate") else {}
    for theirs, ours in (("spkiHashes", "verify_certificate_spki"), ("certificateHashes", "verify_certificate_hash")):
        made |= {ours: list(wanted[theirs])} if wanted.get(theirs) else {}
    if names := list(_names(wanted.get("subjectAltNames") or {})):
        made["match_typed_subject_alt_names"] = names
    return made


def _names(wanted: Object) -> Iterator[Resource]:
    for field, kind in _SANS.items():
        matches: Iterable[Object] = wanted.get(field) or ()
        yield from ({"san_type": kind, "matcher": string(one)} for one in matches)


def _authority(world: World, policy: Object, ref: Object) -> str:
    """The certificates (PEM) of a Secret's or a ConfigMap's ca.crt."""
    kind, key = ref.get("kind", "Secret"), Key(ref.get("namespace") or policy["metadata"]["namespace"], ref["name"])
    failed = "failed to get certificate from ref"
    if not granted(world, policy, key, kind):
        raise Invalid(f"{failed}: Certificate ref to {kind} {key} not permitted by any ReferenceGrant")
    if kind == "Secret":
        text = secret_text(world, key, "ca.crt")
    elif kind == "ConfigMap":
        text = ((world.get(CONFIG_MAP, key) or {}).get("data") or {}).get("ca.crt")
    else:
        raise Invalid(f"{failed}: unsupported ref kind:{kind}; use Secret or ConfigMap")
    if not text:
        raise Invalid(f"{failed}: {kind} {key} has no ca.crt")
    return text.rstrip("\n") + "\n"
