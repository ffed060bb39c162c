"""What a tenant is told of the stream: its own, and of others no name. The admin alone is given all of it."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client import CollectorRegistry

from iiab_lab.services.audit.copies import unpacked
from iiab_lab.services.audit.door import Door
from iiab_lab.services.audit.own import rows
from iiab_lab.services.audit.stream import HEAD, Head, Limits, Stream
from iiab_lab.services.audit.verify import verify
from iiab_lab.services.tokens import AUDIENCE, ISSUER

from .facts import fact

KEY, KEY_OF_B, PLATFORMS = (rsa.generate_private_key(65537, 2048) for _ in range(3))
A, B = "tenant-a", "tenant-b"
SEAL = b"k" * 32


def stream(folder: Path, segment: int = 1 << 20) -> Path:
    """Who asked whom: both tenants themselves, each the other, and the platform's account."""
    made = Stream(folder, SEAL, Limits(segment=segment))
    facts = [
        fact(tenant=A, actor=A, actor_tenant=A, resource="/a-own", request_id="1"),
        fact(tenant=B, actor=B, actor_tenant=B, resource="/b-own", request_id="2"),
        fact(tenant=B, actor=A, actor_tenant=A, resource="/a-tries-b", decision="denied", status=403, policy="of b", reason="no"),
        fact(tenant=A, actor=B, actor_tenant=B, resource="/b-tries-a", decision="denied", status=403, policy="of a", reason="no"),
        fact(tenant=A, actor="system:serviceaccount:default:x", actor_tenant="default", resource="/platform"),
        fact(tenant="", actor="somebody", actor_tenant="", resource="/tenant-a"),
    ]  # fmt: skip
    for one in facts:
        made.append([one], "2026-01-01")
        made.commit({})
    made.close()
    return folder


@pytest.mark.parametrize("segment", [1 << 20, 1])
def test_a_tenant_is_told_its_own_and_no_name_of_others(tmp_path: Path, segment: int) -> None:
    folder = stream(tmp_path / "stream", segment)
    told = {row["resource"]: row for row in rows(folder, A, 100)}
    assert list(told) == ["/a-own", "/a-tries-b", "/b-tries-a", "/platform"]
    assert (told["/a-tries-b"]["actor"], told["/a-tries-b"]["policy"], told["/a-tries-b"]["reason"]) == (A, "", "no")
    assert (told["/b-tries-a"]["actor"], told["/b-tries-a"]["policy"]) == ("another", "of a")
    assert (told["/platform"]["actor"], told["/platform"]["actor_tenant"]) == ("another", "")
    others = [value for row in told.values() for name, value in row.items() if name not in ("tenant", "resource")]
    assert B not in others


def test_the_newest_that_fit_are_told(tmp_path: Path) -> None:
    folder = stream(tmp_path / "stream")
    assert [row["resource"] for row in rows(folder, A, 1)] == ["/platform"]
    assert [row["resource"] for row in rows(folder, A, 9, decision="denied")] == ["/a-tries-b", "/b-tries-a"]
    assert [row["resource"] for row in rows(folder, A, 9, request_id="1")] == ["/a-own"]
    assert rows(folder, A, 9, request_id="2") == rows(folder, "tenant", 9) == []


@pytest.fixture
def door(tmp_path: Path) -> Callable[..., Any]:
    for name, key in (("tenant-a.jwks", KEY), ("tenant-b.jwks", KEY_OF_B), ("jwks", PLATFORMS)):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "k"}
        (tmp_path / name).write_bytes(orjson.dumps({"keys": [public]}))
    app: Any = Door(stream(tmp_path / "stream"), SEAL, tmp_path, CollectorRegistry())

    def ask(token: str, query: str = "", path: str = "/requests") -> tuple[int, Any]:
        environ: dict[str, Any] = {"QUERY_STRING": query, "PATH_INFO": path}
        setup_testing_defaults(environ)
        environ |= {"HTTP_AUTHORIZATION": token} if token else {}
        said: list[str] = []
        body = b"".join(app(environ, lambda status, _: said.append(status)))
        return int(said[0].split()[0]), body

    return ask


def token(**changes: Any) -> str:
    now = int(time.time())
    key = changes.pop("key", KEY)
    said = {
        "iss": f"{ISSUER}/tenants/{A}",
        "aud": AUDIENCE,
        "sub": A,
        "tenant": A,
        "iat": now,
        "exp": now + 60,
    } | changes
    return "Bearer " + jwt.encode({k: v for k, v in said.items() if v}, key, "RS256", headers={"kid": "k"})


def test_a_token_is_told_its_own_tenants_requests_whatever_it_asks(door: Callable[..., Any]) -> None:
    status, body = door(token(), "tenant=tenant-b&limit=2")
    said = orjson.loads(body)
    assert status == 200 and said["total"] == 2 and [row["resource"] for row in said["requests"]][1] == "/platform"
    assert (
        orjson.loads(door(token(iss=f"{ISSUER}/tenants/{B}", tenant=B, key=KEY_OF_B))[1])["requests"][0]["resource"]
        == "/b-own"
    )
    assert door("", path="/metrics")[0] == 200 and door(token(), path="/x")[0] == 404


ADMIN = {"iss": ISSUER, "tenant": "", "roles": ["admin"], "key": PLATFORMS}


def test_the_admin_is_given_a_copy_that_holds_and_the_word_of_who_has_the_key(
    door: Callable[..., Any], tmp_path: Path
) -> None:
    status, body = door(token(**ADMIN), path="/stream")
    copy = tmp_path / "copy"
    copy.mkdir()
    unpacked(io.BytesIO(body), copy)
    found = verify(copy, copy=True)
    assert status == 200 and (found.broken, found.records, found.sealed) == ("", 6, False)
    assert {file.name for file in copy.iterdir()} == {file.name for file in (tmp_path / "stream").glob("0*")}
    said = orjson.loads(door(token(**ADMIN), path="/verdict")[1])
    assert (said["records"], said["sealed"], said["broken"]) == (6, True, "")


def test_a_head_that_was_made_without_the_key_is_told(door: Callable[..., Any], tmp_path: Path) -> None:
    head = tmp_path / "stream" / HEAD
    head.write_bytes(Head.load(head.parent, SEAL)._replace(seq=5).dump(b"another"))
    assert "seal" in orjson.loads(door(token(**ADMIN), path="/verdict")[1])["broken"]


@pytest.mark.parametrize("path", ["/stream", "/verdict"])
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({}, 403),
        ({"roles": ["admin"]}, 403),
        ({"iss": ISSUER, "tenant": "", "key": PLATFORMS}, 403),
        ({"iss": ISSUER, "roles": ["admin"]}, 401),
        ({**ADMIN, "exp": 1}, 401),
    ],
)
def test_nobody_else_is_given_the_whole_of_it(
    door: Callable[..., Any], path: str, who: dict[str, Any], expected: int
) -> None:
    status, body = door(token(**who), path=path)
    assert status == expected and orjson.loads(body)["details"] and door("", path=path)[0] == 401


def test_a_packed_file_is_laid_down_nowhere_else(tmp_path: Path) -> None:
    made, inside = io.BytesIO(), tmp_path / "inside"
    inside.mkdir()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo("../outside")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    made.seek(0)
    unpacked(made, inside)
    assert [file.name for file in inside.iterdir()] == ["outside"] and not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "Basic eA==",
        "Bearer x.y.z",
        token(tenant=""),
        token(tenant={"is": "no word"}),
        token(exp=1),
        token(exp=""),
        token(aud="another"),
        token(iss="https://another"),
        token(tenant=B),
        token(iss=f"{ISSUER}/tenants/{B}", tenant=B),
        token(iss=ISSUER, key=PLATFORMS),
        token(iss=ISSUER, tenant="", roles=["admin"], key=PLATFORMS),
        token(key=rsa.generate_private_key(65537, 2048)),
    ],
)
def test_nobody_else_is_told_anything(door: Callable[..., Any], bad: str) -> None:
    status, body = door(bad)
    assert status == 401 and b"iiab token TENANT" in body and b"resource" not in body


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "decision=perhaps"])
def test_bad_input_says_what_is_served(door: Callable[..., Any], query: str) -> None:
    status, body = door(token(), query)
    assert status == 400 and orjson.loads(body)["details"]
