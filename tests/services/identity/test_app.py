"""The identity service over HTTP, with real keys; its Kubernetes side is met by the whole platform's tests."""

from __future__ import annotations

import time

import httpx
import jwt
import pytest
from starlette.testclient import TestClient

from iiab_lab.services.identity.app import application
from iiab_lab.services.identity.clients import Clients, _hash
from iiab_lab.services.identity.keys import KeyRing, new_pem

OWN = "/tenants/tenant-a"


@pytest.fixture(scope="module")
def keys() -> KeyRing:
    ring = KeyRing(None, "identity")
    ids = ("key-0001", "key-0002", "tenant-a.key-0001", "tenant-a.key-0002", "tenant-b.key-0001")
    ring.take({kid: new_pem().encode() for kid in ids})
    return ring


@pytest.fixture
def client(keys: KeyRing) -> TestClient:
    clients = Clients(None, keys, "identity")
    clients._admin = _hash("of the admin")
    clients._known = {"tenant-a": {"a": _hash("right")}, "tenant-b": {"b": _hash("other")}}
    clients.ready.set()
    return TestClient(application(keys, clients))


def ask(client: TestClient, secret: str = "right", tenant: str = "tenant-a", **form: str) -> httpx.Response:
    data = {"grant_type": "client_credentials", **form}
    return client.post("/token", data=data, auth=(tenant, secret))


def test_a_token_verifies_against_the_published_keys_and_says_who_and_what_for(client: TestClient) -> None:
    answer = ask(client)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    token = answer.json()["access_token"]
    found = {key["kid"]: jwt.PyJWK(key) for key in client.get(f"{OWN}/.well-known/jwks.json").json()["keys"]}
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == ("RS256", "tenant-a.key-0002")
    claims = jwt.decode(
        token,
        found[header["kid"]].key,
        ["RS256"],
        audience="inference-in-a-box",
        issuer=f"https://identity.inference-in-a-box{OWN}",
    )
    assert claims["tenant"] == claims["sub"] == "tenant-a" and claims["scope"] == "infer"
    assert 0 < claims["exp"] - time.time() <= answer.json()["expires_in"]


ISSUERS = ["", OWN, "/tenants/tenant-b"]


@pytest.mark.parametrize("issuer", ISSUERS)
def test_the_key_set_holds_public_halves_alone(client: TestClient, issuer: str) -> None:
    for key in client.get(f"{issuer}/.well-known/jwks.json").json()["keys"]:
        assert key.keys() == {"kid", "use", "alg", "kty", "n", "e"}


def test_no_key_is_of_two_issuers(client: TestClient) -> None:
    found = [key["n"] for issuer in ISSUERS for key in client.get(f"{issuer}/.well-known/jwks.json").json()["keys"]]
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize("issuer", ISSUERS)
def test_discovery_names_where_things_are(client: TestClient, issuer: str) -> None:
    said = client.get(f"{issuer}/.well-known/openid-configuration").json()
    root = "https://identity.inference-in-a-box"
    assert said["issuer"] == root + issuer and said["jwks_uri"].startswith(said["issuer"])
    assert said["token_endpoint"] == f"{root}/token"
    assert client.get(said["jwks_uri"].removeprefix(root)).status_code == 200


@pytest.mark.parametrize("document", ["openid-configuration", "jwks.json"])
def test_nobody_is_the_issuer_of_a_tenant_there_is_not(client: TestClient, document: str) -> None:
    assert client.get(f"/tenants/nobody/.well-known/{document}").status_code == 404


@pytest.mark.parametrize(
    ("secret", "tenant", "form", "code", "error"),
    [
        ("wrong", "tenant-a", {}, 401, "invalid_client"),
        ("right", "tenant-b", {}, 401, "invalid_client"),
        ("right", "nobody", {}, 401, "invalid_client"),
        ("", "tenant-a", {}, 401, "invalid_client"),
        ("right", "tenant-a", {"scope": "admin"}, 400, "invalid_scope"),
        ("right", "tenant-a", {"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_refusals_of_rfc_6749(client: TestClient, secret: str, tenant: str, form: dict, code: int, error: str) -> None:
    answer = ask(client, secret, tenant, **form)
    assert (answer.status_code, answer.json()) == (code, {"error": error})


def test_the_secret_may_come_in_the_body(client: TestClient) -> None:
    form = {"grant_type": "client_credentials", "client_id": "tenant-a", "client_secret": "right"}
    assert client.post("/token", data=form).status_code == 200
    assert client.post("/token", data=form | {"client_secret": "wrong"}).status_code == 401


def test_a_body_without_end_is_cut_off(client: TestClient) -> None:
    assert client.post("/token", content=b"x" * 100_000).status_code == 413


def test_garbage_for_credentials_is_a_wrong_client(client: TestClient) -> None:
    headers = {"Authorization": "Basic ===="}
    assert client.post("/token", data={"grant_type": "client_credentials"}, headers=headers).status_code == 401


def test_the_admins_token_has_a_role_and_no_tenant_and_no_tenant_is_called_admin(client: TestClient) -> None:
    said = {}
    for name, secret in (("admin", "of the admin"), ("tenant-a", "right")):
        said[name] = jwt.decode(ask(client, secret, name).json()["access_token"], options={"verify_signature": False})
    assert said["admin"]["roles"] == ["admin"] and "tenant" not in said["admin"]
    assert said["tenant-a"]["roles"] == ["tenant"] and said["tenant-a"]["tenant"] == "tenant-a"
    assert ask(client, "right", "admin").status_code == 401
