"""Tokens that are wrong in one thing each, at the edge and at the management service, which verify on their own."""

from __future__ import annotations

from ..attack import BROKEN, EDGE, MANAGEMENT, Ask, Attack

_EDGE = Ask()
_MANAGEMENT = Ask("/api/models", "GET", door="management")


def _edge(token: str, source: str, tries: str, *statuses: str, control: str = "tenant-a") -> Attack:
    """`control` is the token that passes in its place; `fresh` is signed here as the forged one is, with nothing wrong."""
    sent, passing = Ask(bearer=token), Ask(bearer=control)
    return Attack(token, "jwt", source, tries, sent, (EDGE,), statuses or ("401",), passing)


def _managed(token: str, source: str, tries: str, control: str = "tenant-a") -> Attack:
    sent, passing = (Ask("/api/models", "GET", name, door="management") for name in (token, control))
    return Attack(f"management-{token}", "jwt", source, tries, sent, (MANAGEMENT,), ("403",), passing)


_NONE, _CONFUSED, _KEYS = "RFC 8725 §2.1, §3.1", "RFC 8725 §2.1, §3.1", "RFC 8725 §2.8, §3.10"
_ISSUER = "RFC 8725 §3.8; API1:2023"
_SIGNED, _CLAIMS, _FORM = "RFC 8725 §3.3", "RFC 8725 §3.8, §3.9", "RFC 7519 §4"

ATTACKS = (
    *(
        _edge(f"alg-{spelling}", _NONE, f"unsigned, with alg {spelling}")
        for spelling in ("none", "None", "NONE", "nOnE", "none-signed", "empty", "number", "missing")
    ),
    _edge("alg-relabelled", _NONE, "an RS256 signature that calls itself RS384", control="fresh"),
    _edge("alg-ps256", _NONE, "an RS256 signature that calls itself PS256", control="fresh"),
    _edge("alg-es256", _NONE, "an RS256 signature that calls itself ES256", control="fresh"),
    _edge("hs256-public-key", _CONFUSED, "HS256 with our public key, PEM, as the secret"),
    _edge("hs384-public-key", _CONFUSED, "HS384 with our public key as the secret"),
    _edge("hs512-public-key", _CONFUSED, "HS512 with our public key as the secret"),
    _edge("hs256-modulus", _CONFUSED, "HS256 with the modulus of the key set as the secret"),
    _edge("hs256-jwk", _CONFUSED, "HS256 with the JWK itself as the secret"),
    _edge("hs256-empty", "RFC 8725 §3.5", "HS256 with an empty secret"),
    _edge("embedded-jwk", f"{_KEYS}; CVE-2018-0114", "a foreign key, carried in the header as jwk"),
    _edge("embedded-jwk-no-kid", f"{_KEYS}; CVE-2018-0114", "the same without a key id"),
    _edge("jku", _KEYS, "a foreign key, to be fetched from jku"),
    _edge("x5u", _KEYS, "a foreign certificate, to be fetched from x5u"),
    _edge("x5c", _KEYS, "a foreign certificate, carried as x5c"),
    _edge("kid-traversal", "RFC 8725 §3.10; CWE-22", "a key id that leads to /dev/null, and an empty secret"),
    _edge("kid-sql", "RFC 8725 §3.10; CWE-89", "a key id that is SQL"),
    _edge("kid-shell", "RFC 8725 §3.10; CWE-78", "a key id that is a command"),
    _edge("kid-unknown", _SIGNED, "a foreign key under a key id of nobody's"),
    _edge("kid-missing", _SIGNED, "a foreign key under no key id"),
    _edge("kid-list", _SIGNED, "a foreign key under a key id that is a list"),
    _edge("foreign", _SIGNED, "a foreign key under our key id", control="fresh"),
    _edge("stripped", _SIGNED, "a genuine token without its signature"),
    _edge("two-parts", _SIGNED, "a genuine token without its third part"),
    _edge("bit-signature", _SIGNED, "one bit of the signature turned over"),
    _edge("bit-payload", _SIGNED, "one bit of the claims turned over"),
    _edge("bit-header", _SIGNED, "one bit of the header turned over"),
    _edge("changed-claim", _SIGNED, "other claims under the old signature"),
    _edge("other-issuer", _ISSUER, "another tenant's issuer and key, with this tenant's claims", control="fresh"),
    _edge("other-key", _ISSUER, "this tenant's claims, signed with another tenant's key", control="fresh"),
    _edge("other-key-our-kid", _ISSUER, "the same under this tenant's key id", control="fresh"),
    _edge("platform-key", _ISSUER, "this tenant's claims, signed with the platform's own key", control="fresh"),
    _edge("other-tenant", _ISSUER, "another tenant's own token"),
    _edge("iss-missing", _CLAIMS, "no issuer", control="fresh"),
    _edge("iss-wrong", _CLAIMS, "another issuer", control="fresh"),
    _edge("iss-slash", _CLAIMS, "our issuer and a slash", control="fresh"),
    _edge("iss-list", _CLAIMS, "our issuer in a list", control="fresh"),
    _edge("aud-missing", _CLAIMS, "no audience", "401", "403", control="fresh"),
    _edge("aud-wrong", _CLAIMS, "for another service", "401", "403", control="fresh"),
    _edge("aud-prefix", _CLAIMS, "for a service whose name begins as ours", "401", "403", control="fresh"),
    _edge("aud-kubernetes", _CLAIMS, "for the Kubernetes API", "401", "403", control="fresh"),
    _edge("exp-missing", "RFC 8725 §3.8; RFC 9068 §2.2", "valid for ever", control="fresh"),
    _edge("expired", "RFC 7519 §4.1.4", "expired an hour ago", control="fresh"),
    _edge("exp-text", "RFC 7519 §4.1.4", "an expiry that is text", control="fresh"),
    _edge("exp-negative", "RFC 7519 §4.1.4", "an expiry before 1970", control="fresh"),
    _edge("exp-overflow", "RFC 7519 §4.1.4; CWE-190", "an expiry beyond every number", control="fresh"),
    _edge("not-yet", "RFC 7519 §4.1.5", "valid in an hour", control="fresh"),
    _edge("nbf-text", "RFC 7519 §4.1.5", "a beginning that is text", control="fresh"),
    _edge("tenant-missing", "API1:2023", "of no tenant", "403", control="fresh"),
    _edge("tenant-wrong", "API1:2023", "of another tenant", "403", control="fresh"),
    _edge("tenant-list", "API1:2023", "of two tenants", "403", control="fresh"),
    _edge("tenant-case", "API1:2023", "the tenant in capitals", "403", control="fresh"),
    _edge("tenant-space", "API1:2023", "the tenant and a space", "403", control="fresh"),
    _edge("scope-missing", "API5:2023", "without a scope", "403", control="fresh"),
    _edge("scope-wrong", "API5:2023", "with another scope", "403", control="fresh"),
    _edge("scope-longer", "API5:2023", "with a scope that begins as ours", "403", control="fresh"),
    _edge("twice-tenant", _FORM, "tenant-a first and tenant-b last, in one token", "401", "403", control="fresh"),
    _edge("twice-exp", _FORM, "an expiry to come first and one past last", control="fresh"),
    _edge("crit", "RFC 7515 §4.1.11", "an extension that has to be understood", "401", "403", control="fresh"),
    _edge("crit-b64", "RFC 7797 §6", "an unencoded payload, which has to be understood", "401", "403", control="fresh"),
    _edge("nested", "RFC 7519 §5.2", "a token within a token", control="fresh"),
    _edge("deep", "API4:2023; CWE-674", "a claim 2,000 lists deep", control="fresh"),
    _edge("json-form", "RFC 7519 §3", "the JSON form of a signature"),
    _edge("five-parts", "RFC 7516 §9", "five parts, as an encrypted token has"),
    _edge("spaced", "RFC 7515 §2", "a space within the token"),
    _edge("payload-list", "RFC 7519 §7.2", "claims that are a list", control="fresh"),
    Attack(
        "oversized", "jwt", "API4:2023", "a token of 100 KiB", Ask(bearer="oversized"), (EDGE,), ("431",), Ask(bearer="fresh"),
        metric=BROKEN,
    ),
    _edge("empty", "API2:2023", "an empty token"),
    _edge("admin", "API5:2023", "the platform's admin, who is of no tenant"),
    _edge("kubernetes-ours", "RFC 8725 §2.8", "of the cluster's issuer, by our key", "401", "403", control="fresh"),
    Attack(
        "no-token", "jwt", "API2:2023", "no token at all", Ask(bearer=""), (EDGE,), ("401",), _EDGE,
    ),
    Attack(
        "in-query", "jwt", "RFC 9700 §4.3.2; CWE-598", "the token in the URL, where logs keep it",
        Ask("/v1/models/sklearn-iris:predict?access_token=<token:tenant-a>", bearer=""), (EDGE,), ("401",), _EDGE,
    ),
    Attack(
        "basic", "jwt", "RFC 6750 §2.1", "the token as a Basic credential",
        Ask(bearer="", headers=(("authorization", "Basic <token:tenant-a>"),)), (EDGE,), ("401",), _EDGE,
    ),
    Attack(
        "twice", "jwt", "RFC 9110 §5.3", "two Authorization headers, a good one last",
        Ask(bearer="", headers=(("authorization", "Bearer <token:tenant-b>"), ("authorization", "Bearer <token:tenant-a>"))),
        (EDGE,), ("400", "401"), _EDGE,
    ),
    _managed("alg-none", _NONE, "unsigned, at the management service"),
    _managed("hs256-public-key", _CONFUSED, "HS256 with our public key, at the management service"),
    _managed("embedded-jwk", _KEYS, "a foreign key in the header, at the management service"),
    _managed("foreign", _SIGNED, "a foreign key under our key id, at the management service", "fresh"),
    _managed("expired", "RFC 7519 §4.1.4", "expired, at the management service", "fresh"),
    _managed("exp-missing", "RFC 8725 §3.8", "valid for ever, at the management service", "fresh"),
    _managed("aud-wrong", _CLAIMS, "for another service, at the management service", "fresh"),
    _managed("tenant-missing", "API1:2023", "of no tenant, at the management service", "fresh"),
    _managed("other-key", _ISSUER, "signed with another tenant's key, at the management service", "fresh"),
    _managed("other-claim", _ISSUER, "another tenant's issuer that names this tenant, at the management service", "fresh"),
    _managed("admin-claim", _ISSUER, "a tenant's issuer that names its client an admin, at the management service", "fresh"),
    _managed("admin-key", _ISSUER, "an admin's claims, signed with a tenant's key, at the management service", "fresh"),
    _managed("crit", "RFC 7515 §4.1.11", "an extension that has to be understood, at the management service", "fresh"),
)  # fmt: skip
