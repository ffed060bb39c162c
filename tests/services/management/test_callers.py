"""Who calls, by which issuer's signature: a tenant's speaks for that tenant alone, and none of them for the admin."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from iiab_lab.services.identity.app import claims, issuer_of
from iiab_lab.services.identity.clients import ADMIN, TENANT, Client
from iiab_lab.services.identity.keys import KeyRing, new_pem
from iiab_lab.services.management.callers import Callers
from iiab_lab.services.management.errors import Refused

A, B, THE_ADMIN = Client("tenant-a", TENANT), Client("tenant-b", TENANT), Client("admin", ADMIN)


@pytest.fixture(scope="module")
def keys() -> KeyRing:
    ring = KeyRing(None, "identity")
    ring.take({kid: new_pem().encode() for kid in ("key-0001", "tenant-a.key-0001", "tenant-b.key-0001")})
    return ring


@pytest.fixture
def callers(keys: KeyRing) -> Callers:
    sets = {"jwks": keys.jwks()} | {f"{one.name}.jwks": keys.jwks(one.name) for one in (A, B)}
    found = {"data": {name: json.dumps(keys) for name, keys in sets.items()}}
    spaces = [{"metadata": {"name": f"space-{n}", "labels": {"iiab.lab/tenant": n}}} for n in ("tenant-a", "tenant-b")]
    return Callers(SimpleNamespace(get=lambda *_: found, list=lambda *_, **__: spaces))  # type: ignore[arg-type]


def of(client: Client, **other: Any) -> dict[str, Any]:
    return claims(client, time.time()) | other


def test_each_issuer_names_its_own(keys: KeyRing, callers: Callers) -> None:
    assert callers.of(keys.sign("", of(THE_ADMIN))).is_admin
    for client in (A, B):
        caller = callers.of(keys.sign(client.name, of(client)))
        assert (caller.tenant, caller.namespace) == (client.name, f"space-{client.name}")


@pytest.mark.parametrize(
    ("signer", "said"),
    [
        ("tenant-b", of(A)),
        ("tenant-b", of(B, tenant="tenant-a")),
        ("tenant-b", of(B, roles=["admin"], tenant="")),
        ("tenant-b", of(THE_ADMIN)),
        ("tenant-b", of(THE_ADMIN, iss=issuer_of("tenant-b"))),
        ("tenant-b", of(B, iss=issuer_of("") + "/")),
        ("tenant-b", of(B, iss=issuer_of("") + "/tenants/")),
        ("tenant-b", of(B, iss="")),
        ("", of(A)),
        ("", of(A, iss=issuer_of(""))),
    ],
)
def test_nobody_speaks_for_another(keys: KeyRing, callers: Callers, signer: str, said: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        callers.of(keys.sign(signer, said))
    assert refused.value.status == 403


def test_a_key_id_of_another_issuer_is_no_key_of_this_one(keys: KeyRing, callers: Callers) -> None:
    private = keys._ring.keys["tenant-b.key-0001"].private
    for kid in ("tenant-a.key-0001", "tenant-b.key-0001"):
        with pytest.raises(Refused):
            callers.of(jwt.encode(of(A), private, "RS256", headers={"kid": kid}))


def test_a_tenant_that_came_after_another_of_its_name_is_known_by_its_own_key(
    keys: KeyRing, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the former one's tokens are worth nothing once a key set may be remembered no longer."""
    former, again = keys.sign(A.name, of(A)), KeyRing(None, "identity")
    assert callers.of(former).tenant == A.name
    again.take({"tenant-a.key-0001": new_pem().encode(), "key-0001": new_pem().encode()})
    later = {"data": {"tenant-a.jwks": json.dumps(again.jwks(A.name))}}
    monkeypatch.setattr(callers._platform, "get", lambda *_: later)
    assert callers.of(former).tenant == A.name, "still remembered"
    assert callers.of(again.sign(A.name, of(A))).tenant == A.name
    with pytest.raises(Refused):
        callers.of(former)


def test_a_key_that_was_taken_out_is_forgotten_in_time(
    keys: KeyRing, callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = keys.sign(A.name, of(A))
    assert callers.of(token).tenant == A.name
    monkeypatch.setattr(callers._platform, "get", lambda *_: {"data": {}})
    callers._until = 0.0
    with pytest.raises(Refused):
        callers.of(token)
