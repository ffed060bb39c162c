"""Each forged token is wrong in what it says it is wrong in, and right in everything else: an ordinary verifier tells."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from iiab_lab.scenarios.security import forge
from iiab_lab.scenarios.security.attacks.forged import FORGED, Kit

CLAIMS = {
    "iss": "https://identity.inference-in-a-box/tenants/tenant-a",
    "aud": "inference-in-a-box",
    "sub": "tenant-a",
    "tenant": "tenant-a",
    "roles": ["tenant"],
    "scope": "infer",
}


@pytest.fixture(scope="module")
def kit() -> Kit:
    now = int(time.time())
    ours, theirs, platform = (forge.stranger(kid) for kid in ("tenant-a.key-0001", "tenant-b.key-0001", "key-0001"))
    claims = CLAIMS | {"iat": now, "nbf": now, "exp": now + 600}
    return Kit(claims, ours, forge.stranger(ours.kid), forge.signed(ours, claims), now, theirs, platform)


def verified(kit: Kit, token: str) -> dict:
    """As the platform's own services do it."""
    key = kit.ours.key.public_key()
    audience, issuer = CLAIMS["aud"], CLAIMS["iss"]
    options = {"require": ["exp", "iat", "sub"]}
    return jwt.decode(token, key, ["RS256"], audience=audience, issuer=issuer, options=options)  # type: ignore[arg-type]


# What an ordinary verifier raises of which token; of the others see below.
REFUSED = {
    **dict.fromkeys(
        ("alg-none", "alg-None", "alg-NONE", "alg-nOnE", "alg-none-signed", "alg-empty", "alg-relabelled", "alg-ps256", "alg-es256"),
        jwt.InvalidAlgorithmError,
    ),
    **dict.fromkeys(
        ("hs256-public-key", "hs384-public-key", "hs512-public-key", "hs256-modulus", "hs256-jwk", "hs256-empty"),
        jwt.InvalidAlgorithmError,
    ),
    **dict.fromkeys(
        ("embedded-jwk", "embedded-jwk-no-kid", "jku", "x5u", "x5c", "kid-unknown", "kid-missing", "foreign", "stripped"),
        jwt.InvalidSignatureError,
    ),
    **dict.fromkeys(
        ("other-tenant", "other-issuer", "other-claim", "other-key", "other-key-our-kid", "platform-key", "admin-claim", "admin-key"),
        jwt.InvalidSignatureError,
    ),
    **dict.fromkeys(("bit-signature", "bit-payload", "changed-claim"), jwt.InvalidSignatureError),
    "two-parts": jwt.DecodeError,
    "five-parts": jwt.DecodeError,
    "json-form": jwt.DecodeError,
    "empty": jwt.DecodeError,
    "payload-list": jwt.DecodeError,
    "iss-missing": jwt.MissingRequiredClaimError,
    "iss-wrong": jwt.InvalidIssuerError,
    "iss-slash": jwt.InvalidIssuerError,
    "aud-missing": jwt.MissingRequiredClaimError,
    "aud-wrong": jwt.InvalidAudienceError,
    "aud-prefix": jwt.InvalidAudienceError,
    "aud-kubernetes": jwt.InvalidAudienceError,
    "exp-missing": jwt.MissingRequiredClaimError,
    "sub-missing": jwt.MissingRequiredClaimError,
    "expired": jwt.ExpiredSignatureError,
    "exp-negative": jwt.ExpiredSignatureError,
    "twice-exp": jwt.ExpiredSignatureError,
    "not-yet": jwt.ImmatureSignatureError,
    "nbf-text": jwt.DecodeError,
}  # fmt: skip
# Genuine but for one claim that only a policy looks at: which, and what it says.
SIGNED = {
    "tenant-wrong": ("tenant", "tenant-b"),
    "tenant-list": ("tenant", ["tenant-a", "tenant-b"]),
    "tenant-case": ("tenant", "Tenant-A"),
    "tenant-missing": ("tenant", None),
    "scope-missing": ("scope", None),
    "scope-longer": ("scope", "inference"),
    "twice-tenant": ("tenant", "tenant-b"),
}


def test_the_controls_are_genuine(kit: Kit) -> None:
    assert verified(kit, kit.genuine) == verified(kit, FORGED["fresh"](kit)) == kit.claims


@pytest.mark.parametrize("name", REFUSED)
def test_an_ordinary_verifier_refuses_it_for_just_that(kit: Kit, name: str) -> None:
    with pytest.raises(REFUSED[name]):
        verified(kit, FORGED[name](kit))


# Signed by another issuer's own key: what its own verifier reads.
ISSUERS = {
    "other-tenant": ("theirs", {"tenant": "tenant-b", "sub": "tenant-b"}),
    "other-issuer": ("theirs", {"tenant": "tenant-a", "sub": "tenant-a"}),
    "other-claim": ("theirs", {"tenant": "tenant-a", "sub": "tenant-b"}),
    "admin-claim": ("theirs", {"tenant": "", "roles": ["admin"]}),
}


@pytest.mark.parametrize("name", ISSUERS)
def test_another_issuer_would_take_its_own(kit: Kit, name: str) -> None:
    signer, said = ISSUERS[name]
    key, issuer = getattr(kit, signer).key.public_key(), CLAIMS["iss"].replace("tenant-a", "tenant-b")
    found = jwt.decode(FORGED[name](kit), key, ["RS256"], audience=CLAIMS["aud"], issuer=issuer)
    assert {claim: found[claim] for claim in said} == said


@pytest.mark.parametrize("name", SIGNED)
def test_what_only_a_policy_sees_is_signed_and_else_genuine(kit: Kit, name: str) -> None:
    claim, value = SIGNED[name]
    found = verified(kit, FORGED[name](kit))
    assert found.get(claim) == value
    assert forge.without(found, claim) == forge.without(kit.claims, claim)


def test_with_the_public_key_as_the_secret_the_signature_is_good(kit: Kit) -> None:
    """Who takes the algorithm from the header would let it pass: that is the confusion."""
    content, _, signature = FORGED["hs256-public-key"](kit).rpartition(".")
    assert forge.unpadded(signature) == hmac.new(kit.ours.public_pem, content.encode(), hashlib.sha256).digest()
    published = serialization.load_pem_public_key(kit.ours.public_pem)
    assert published.public_numbers() == kit.ours.key.public_key().public_numbers()  # type: ignore[union-attr]


def test_the_embedded_key_is_the_one_that_signed(kit: Kit) -> None:
    token = FORGED["embedded-jwk"](kit)
    key = jwt.PyJWK(jwt.get_unverified_header(token)["jwk"]).key
    assert jwt.decode(token, key, ["RS256"], audience=CLAIMS["aud"]) == kit.claims


def test_a_claim_that_stands_twice_does(kit: Kit) -> None:
    text = forge.twice({"a": 1, "tenant": "last"}, "tenant", "first")
    assert json.loads(text, object_pairs_hook=list) == [("tenant", "first"), ("a", 1), ("tenant", "last")]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_bit_is_one_bit(kit: Kit, part: int) -> None:
    before, after = (
        forge.unpadded(token.split(".")[part]) for token in (kit.genuine, forge.flipped(kit.genuine, part))
    )
    assert sum((one ^ other).bit_count() for one, other in zip(before, after, strict=True)) == 1


def test_every_forged_token_is_made_and_differs_from_a_genuine_one(kit: Kit) -> None:
    made = {name: forger(kit) for name, forger in FORGED.items()}
    assert [name for name, token in made.items() if token == kit.genuine and name != "fresh"] == []
    assert len(made["oversized"]) > 100_000
    assert forge.unpadded(made["nested"].split(".")[1]).decode() == kit.genuine
