"""Signing keys and their rotation: published first, signing later, good until they are taken out."""

from __future__ import annotations

import base64
import threading
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from kubernetes.client import ApiException

from iiab_lab.services.identity import keys as module
from iiab_lab.services.identity.keys import KeyRing, new_pem

PEMS = [new_pem().encode() for _ in range(3)]


def kid(ring: KeyRing, tenant: str = "a") -> str:
    return str(jwt.get_unverified_header(ring.sign(tenant, {}))["kid"])


def published(ring: KeyRing, tenant: str = "a") -> list[str]:
    return [key["kid"] for key in ring.jwks(tenant)["keys"]]


@pytest.fixture
def ring() -> KeyRing:
    made = KeyRing(None, "identity")
    made.take({"a.key-0001": PEMS[0], "key-0001": PEMS[1]})
    return made


def test_a_new_key_is_published_before_it_signs(ring: KeyRing) -> None:
    both = {"a.key-0001": PEMS[0], "a.key-0002": PEMS[2], "key-0001": PEMS[1]}
    ring.take(both)
    assert published(ring) == ["a.key-0001", "a.key-0002"] and kid(ring) == "a.key-0001"
    assert published(ring, "") == ["key-0001"], "another issuer's stays as it was"
    ring.promote(both)
    assert kid(ring) == "a.key-0002" and published(ring) == ["a.key-0001", "a.key-0002"]


def test_a_key_that_is_taken_out_neither_signs_nor_verifies(ring: KeyRing) -> None:
    ring.take({"a.key-0002": PEMS[2], "key-0001": PEMS[1]})
    assert published(ring) == ["a.key-0002"] and kid(ring) == "a.key-0002"


def test_another_key_under_the_same_id_takes_its_place(ring: KeyRing) -> None:
    before = ring.jwks("a")["keys"][0]["n"]
    ring.take({"a.key-0001": PEMS[2]})
    assert ring.jwks("a")["keys"][0]["n"] != before


def test_what_was_not_published_is_not_promoted(ring: KeyRing) -> None:
    ring.take({"a.key-0001": PEMS[0], "a.key-0002": PEMS[2]})
    ring.promote(["a.key-0001"])
    assert kid(ring) == "a.key-0001"


class Core:
    """The Secret alone, as the API server keeps it: a write that names an older version is refused."""

    def __init__(self, *versions: dict[str, bytes]) -> None:
        self.data: dict[str, str] = {}
        self.version = 0
        self.meanwhile: list[dict[str, bytes]] = list(versions)

    def put(self, pems: dict[str, bytes]) -> Any:
        self.data |= {name: base64.b64encode(pem).decode() for name, pem in pems.items()}
        self.version += 1
        return self.now()

    def now(self) -> Any:
        return SimpleNamespace(data=dict(self.data), metadata=SimpleNamespace(resource_version=str(self.version)))

    def read_namespaced_secret(self, *_: str) -> Any:
        if not self.version:
            raise ApiException(404)
        return self.now()

    def create_namespaced_secret(self, _: str, body: Any) -> Any:
        return self._write(body)

    def patch_namespaced_secret(self, _: str, __: str, body: Any) -> Any:
        return self._write(body)

    def _write(self, body: Any) -> Any:
        if self.meanwhile:
            self.put(self.meanwhile.pop())
        if body["metadata"].get("resourceVersion", "0") != str(self.version):
            raise ApiException(409)
        for name in [name for name, text in body["data"].items() if text is None]:
            del self.data[name]
        return self.put({name: base64.b64decode(text) for name, text in body["data"].items() if text})


def test_an_issuer_without_a_key_gets_its_first_and_keeps_it() -> None:
    core = Core()
    ring = KeyRing(core, "identity")
    assert kid(ring, "") == "key-0001" and kid(ring, "a") == "a.key-0001"
    assert core.data.keys() == {"key-0001.pem", "a.key-0001.pem"}
    assert KeyRing(core, "identity").jwks("a") == ring.jwks("a")


def test_of_two_that_write_the_first_key_at_once_both_have_the_same() -> None:
    core = Core({"a.key-0001.pem": PEMS[0]})
    ring = KeyRing(core, "identity")
    core.put({"key-0001.pem": PEMS[1]})
    ring.jwks("a")
    assert core.data["a.key-0001.pem"] == base64.b64encode(PEMS[0]).decode() and core.version == 2


def test_an_issuer_is_forgotten_with_all_its_keys_and_no_other_is() -> None:
    core = Core({"a.key-0003.pem": PEMS[1]})  # written meanwhile
    core.put(
        {"a.key-0001.pem": PEMS[0], "a.key-0002.pem": PEMS[1], "ab.key-0001.pem": PEMS[2], "key-0001.pem": PEMS[1]}
    )
    ring = KeyRing(core, "identity")
    before = ring.jwks("ab")
    assert ring.tenants() == {"a", "ab"}
    ring.forget("a")
    assert core.data.keys() == {"ab.key-0001.pem", "key-0001.pem"}
    assert ring.tenants() == {"ab"} and not ring.knows("a") and ring.jwks("ab") == before


def test_who_follows_publishes_then_waits_then_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is as long as a key set may be remembered."""
    ring, core, seen = KeyRing(Core(), "identity"), Core(), []
    one, two = core.put({"a.key-0001.pem": PEMS[0]}), core.put({"a.key-0002.pem": PEMS[1]})

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            seen.append(("waits", timeout, kid(ring)))
            return False

    ring._stop = Stop()
    monkeypatch.setattr(ring, "_versions", lambda: iter((one, one, two)))

    def changed() -> None:
        seen.append(("published", len(published(ring)), kid(ring)))
        if len(published(ring)) == 2:
            ring.stop()

    ring.follow(changed)
    assert seen == [
        ("published", 1, "a.key-0001"),
        ("published", 2, "a.key-0001"),
        ("waits", module.FRESH, "a.key-0001"),
    ]
    assert kid(ring) == "a.key-0002"
