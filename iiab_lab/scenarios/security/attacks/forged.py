"""The platform's signing key and a genuine token → every forged token of the catalogue, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import forge

KUBERNETES = "https://kubernetes.default.svc"


class Kit(NamedTuple):
    """Fresh claims of tenant-a, its issuer's signer, a stranger under the same key id, a genuine token, the time in s; and the
    signers of tenant-b's issuer and of the platform's own."""

    claims: dict[str, Any]
    ours: forge.Signer
    foreign: forge.Signer
    genuine: str
    now: int
    theirs: forge.Signer
    platform: forge.Signer


Forger = Callable[[Kit], str]
HOUR = 3600


def _claims(**changes: Callable[[Kit], Any] | Any) -> Forger:
    """Signed by us, with other claims; a function is asked for the value."""

    def made(kit: Kit) -> str:
        values = {name: value(kit) if callable(value) else value for name, value in changes.items()}
        return forge.signed(kit.ours, kit.claims | values)

    return made


def _without(name: str) -> Forger:
    return lambda kit: forge.signed(kit.ours, forge.without(kit.claims, name))


def _alg(spelling: Any, signature: str = "") -> Forger:
    return lambda kit: forge.unsigned(kit.claims, spelling, kit.ours.kid, signature)


def _hmac(secret: Callable[[Kit], bytes], alg: str = "HS256", **header: Any) -> Forger:
    return lambda kit: forge.by_secret(kit.claims, secret(kit), alg, **({"kid": kit.ours.kid} | header))


def _foreign(**header: Callable[[Kit], Any] | Any) -> Forger:
    """Signed by a stranger whose header says where its key is."""

    def made(kit: Kit) -> str:
        values = {name: value(kit) if callable(value) else value for name, value in header.items()}
        return forge.signed(kit.foreign, kit.claims, **values)

    return made


def _ours(**header: Any) -> Forger:
    return lambda kit: forge.signed(kit.ours, kit.claims, **header)


def _past(kit: Kit) -> int:
    return kit.now - HOUR


def _future(kit: Kit) -> int:
    return kit.now + HOUR


def _serialized(kit: Kit) -> str:
    """The JSON form of a JWS, which RFC 7519 §3 does not allow for a JWT."""
    protected, payload, signature = kit.genuine.split(".")
    return json.dumps({"payload": payload, "protected": protected, "signature": signature})


def _repeated(name: str, first: Callable[[Kit], Any], last: Callable[[Kit], Any]) -> Forger:
    return lambda kit: forge.signed(kit.ours, forge.twice(kit.claims | {name: last(kit)}, name, first(kit)))


def _nested(kit: Kit) -> str:
    """A JWT for the content of another, RFC 7519 §5.2."""
    return forge.signed(kit.ours, kit.genuine, cty="JWT")


def _deep(kit: Kit) -> str:
    return forge.signed(kit.ours, json.dumps(kit.claims)[:-1] + ', "x": ' + "[" * 2000 + "]" * 2000 + "}")


def _platform(kit: Kit) -> str:
    return str(kit.claims["iss"]).partition("/tenants/")[0]


def _theirs(kit: Kit) -> dict[str, Any]:
    """What tenant-b's own token says."""
    own = kit.theirs.kid.partition(".")[0]
    return kit.claims | {"iss": f"{_platform(kit)}/tenants/{own}", "sub": own, "client_id": own, "tenant": own}


FORGED: dict[str, Forger] = {
    # signatures
    "fresh": _claims(),
    "alg-none": _alg("none"),
    "alg-None": _alg("None"),
    "alg-NONE": _alg("NONE"),
    "alg-nOnE": _alg("nOnE"),
    "alg-none-signed": lambda kit: forge.unsigned(kit.claims, "none", kit.ours.kid, kit.genuine.split(".")[2]),
    "alg-empty": _alg(""),
    "alg-number": _alg(0),
    "alg-missing": _ours(alg=None),
    "alg-relabelled": _ours(alg="RS384"),
    "alg-ps256": _ours(alg="PS256"),
    "alg-es256": _ours(alg="ES256"),
    "hs256-public-key": _hmac(lambda kit: kit.ours.public_pem),
    "hs384-public-key": _hmac(lambda kit: kit.ours.public_pem, "HS384"),
    "hs512-public-key": _hmac(lambda kit: kit.ours.public_pem, "HS512"),
    "hs256-modulus": _hmac(lambda kit: kit.ours.jwk["n"].encode()),
    "hs256-jwk": _hmac(lambda kit: json.dumps(kit.ours.jwk).encode()),
    "hs256-empty": _hmac(lambda kit: b""),
    "embedded-jwk": _foreign(jwk=lambda kit: kit.foreign.jwk),
    "embedded-jwk-no-kid": _foreign(jwk=lambda kit: kit.foreign.jwk, kid=None),
    "jku": _foreign(jku="http://127.0.0.1:1/jwks.json", kid="other"),
    "x5u": _foreign(x5u="http://127.0.0.1:1/cert.pem", kid="other"),
    "x5c": _foreign(x5c=["MIIB"], kid="other"),
    "kid-traversal": _hmac(lambda kit: b"", kid="../../../../../../dev/null"),
    "kid-sql": _hmac(lambda kit: b"x", kid="x' UNION SELECT 'x"),
    "kid-shell": _hmac(lambda kit: b"x", kid="|touch x"),
    "kid-unknown": _foreign(kid="key-9999"),
    "kid-missing": _foreign(kid=None),
    "kid-list": _foreign(kid=lambda kit: [kit.ours.kid]),
    "foreign": _foreign(),
    "stripped": lambda kit: forge.stripped(kit.genuine),
    "two-parts": lambda kit: forge.stripped(kit.genuine)[:-1],
    "bit-signature": lambda kit: forge.flipped(kit.genuine, 2),
    "bit-payload": lambda kit: forge.flipped(kit.genuine, 1),
    "bit-header": lambda kit: forge.flipped(kit.genuine, 0),
    "changed-claim": lambda kit: forge.changed(kit.genuine, roles=["admin"]),
    # claims, each signed by us
    "iss-missing": _without("iss"),
    "iss-wrong": _claims(iss="https://identity.example.com"),
    "iss-slash": _claims(iss=lambda kit: kit.claims["iss"] + "/"),
    "iss-list": _claims(iss=lambda kit: [kit.claims["iss"]]),
    "aud-missing": _without("aud"),
    "aud-wrong": _claims(aud="another-service"),
    "aud-prefix": _claims(aud="inference-in-a-box-2"),
    "aud-kubernetes": _claims(aud=[KUBERNETES]),
    "exp-missing": _without("exp"),
    "expired": _claims(exp=_past, iat=lambda kit: kit.now - 2 * HOUR, nbf=lambda kit: kit.now - 2 * HOUR),
    "exp-text": _claims(exp=lambda kit: str(kit.now + HOUR)),
    "exp-negative": _claims(exp=-1),
    "exp-overflow": lambda kit: forge.signed(
        kit.ours, json.dumps(kit.claims | {"exp": 0}).replace('"exp": 0', '"exp": 1e400')
    ),
    "not-yet": _claims(nbf=_future, exp=lambda kit: kit.now + 2 * HOUR),
    "nbf-text": _claims(nbf="tomorrow"),
    "tenant-missing": _without("tenant"),
    "tenant-wrong": _claims(tenant="tenant-b"),
    "tenant-list": _claims(tenant=["tenant-a", "tenant-b"]),
    "tenant-case": _claims(tenant="Tenant-A"),
    "tenant-space": _claims(tenant="tenant-a "),
    "scope-missing": _without("scope"),
    "scope-wrong": _claims(scope="read"),
    "scope-longer": _claims(scope="inference"),
    "sub-missing": _without("sub"),
    "twice-tenant": _repeated("tenant", lambda _: "tenant-a", lambda _: "tenant-b"),
    "twice-exp": _repeated("exp", _future, _past),
    # issuers
    "other-tenant": lambda kit: forge.signed(kit.theirs, _theirs(kit)),
    "other-issuer": lambda kit: forge.signed(kit.theirs, kit.claims | {"iss": _theirs(kit)["iss"]}),
    "other-claim": lambda kit: forge.signed(kit.theirs, _theirs(kit) | {"tenant": kit.claims["tenant"]}),
    "other-key": lambda kit: forge.signed(kit.theirs, kit.claims),
    "other-key-our-kid": lambda kit: forge.signed(kit.theirs, kit.claims, kid=kit.ours.kid),
    "platform-key": lambda kit: forge.signed(kit.platform, kit.claims),
    "admin-claim": lambda kit: forge.signed(kit.theirs, _theirs(kit) | {"roles": ["admin"], "tenant": ""}),
    "admin-key": lambda kit: forge.signed(kit.theirs, _theirs(kit) | {"iss": _platform(kit), "roles": ["admin"]}),
    # forms
    "crit": _ours(crit=["x-unknown"], **{"x-unknown": True}),
    "crit-b64": _ours(crit=["b64"], b64=False),
    "nested": _nested,
    "deep": _deep,
    "json-form": _serialized,
    "five-parts": lambda kit: f"{kit.genuine}.AAAA.AAAA",
    "spaced": lambda kit: kit.genuine.replace(".", " .", 1),
    "payload-list": lambda kit: forge.signed(kit.ours, json.dumps([kit.claims])),
    "oversized": _claims(x="a" * (80 << 10)),
    "empty": lambda kit: "",
    # of others
    "kubernetes-none": lambda kit: forge.unsigned(
        {
            "iss": KUBERNETES,
            "sub": "system:serviceaccount:kube-system:default",
            "aud": [KUBERNETES],
            "exp": kit.now + HOUR,
        },
        "none",
        "",
    ),
    "kubernetes-ours": lambda kit: forge.signed(
        kit.ours,
        {
            "iss": KUBERNETES,
            "sub": "system:serviceaccount:identity:identity",
            "aud": [KUBERNETES],
            "exp": kit.now + HOUR,
        },
    ),
}
