"""The audit stream of a running platform: every request a client sent is one row, with who, what, how and by which policy."""

from __future__ import annotations

import dataclasses
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas
import pytest
import requests

from iiab_lab import audit, tampered_audit, verify_audit
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.kube import Kube
from iiab_lab.services.audit.stream import segments
from iiab_lab.target import Target

from .lab import PREDICT, SETOSA, Lab, eventually
from .test_mesh import MODEL, NAMES, TENANT_B, call, issued, mesh_ca

__all__ = ["mesh_ca"]
POLICY = "SecurityPolicy of HTTPRoute tenant-a/sklearn-iris"


class Kind(NamedTuple):
    """What is sent, and what the stream must say of it."""

    token: str
    headers: dict[str, str]
    body: str
    path: str
    row: dict[str, Any]


def row(
    status: int, decision: str, actor: str, layer: str, policy: str = "", reason: str = "", **other: str
) -> dict[str, Any]:
    said = {"status": status, "decision": decision, "actor": actor, "layer": layer, "policy": policy, "reason": reason}
    return said | {"tenant": "tenant-a", "verb": "POST", "resource": PREDICT} | other


KINDS = [
    Kind("tenant-a", {}, "", PREDICT, row(200, "allowed", "tenant-a", "sidecar")),
    Kind(
        "tenant-a",
        {},
        "{",
        PREDICT,
        row(400, "error", "tenant-a", "application", reason="the application's own answer"),
    ),
    Kind(
        "tenant-b",
        {"x-jwt-sub": "tenant-a", "x-client-id": "tenant-a"},
        "",
        PREDICT,
        row(401, "denied", "anonymous", "tier-1", f"{POLICY}, jwt", "token: Jwt issuer is not configured"),
    ),
    Kind(
        "tenant-a",
        {"x-tenant": "tenant-b"},
        "",
        PREDICT,
        row(
            403,
            "denied",
            "tenant-a",
            "tier-1",
            f"{POLICY}, authorization contradicting-tenant",
            "authorization: a rule denies it",
        ),
    ),
    Kind("", {}, "", PREDICT, row(401, "denied", "anonymous", "tier-1", f"{POLICY}, jwt", "token: Jwt is missing")),
    Kind(
        "",
        {"x-jwt-sub": "tenant-a"},
        "",
        "/nowhere/{token}",
        row(404, "error", "anonymous", "tier-1", reason="route not found", tenant="", resource="/nowhere/[redacted]"),
    ),
]


def send(lab: Lab, url: str, kind: Kind, tokens: dict[str, str]) -> str:
    """→ the request's id."""
    authorization = {"Authorization": f"Bearer {tokens[kind.token]}"} if kind.token else {}
    body: dict[str, Any] = {"data": kind.body} if kind.body else {"json": SETOSA}
    path = kind.path.format(token=tokens["tenant-a"]) + f"?secret={tokens['tenant-a']}"
    headers = {"content-type": "application/json"} | authorization | kind.headers
    answer = requests.post(url + path, headers=headers, timeout=10, **body)
    assert answer.status_code == kind.row["status"], answer.text
    return answer.headers["x-request-id"]


def rows_of(target: Target, ids: set[str], since: datetime) -> pandas.DataFrame:
    """Once the stream has every one of them."""

    def found() -> pandas.DataFrame | None:
        frame = audit(target, since=since.isoformat(), limit=10**6)
        mine = frame[frame.request_id.isin(ids)]
        # Each hop tells its part by itself: a request that went all the way begins at the edge and ends at the model's sidecar.
        begun, through = mine.hops.str.startswith("tier-1"), mine[mine.status.isin([200, 400])]
        return mine if len(mine) >= len(ids) and begun.all() and through.hops.str.endswith("sidecar").all() else None

    made: pandas.DataFrame = eventually(lambda: (frame := found()) is not None and [frame])[0]
    return made


def test_every_request_is_one_row_with_who_what_how_and_why(lab: Lab, target: Target, tokens: dict[str, str]) -> None:
    since, url = datetime.now(UTC), lab.url("gateway")
    sent = {send(lab, url, kind, tokens): kind for _ in range(8) for kind in KINDS}
    rows = rows_of(target, set(sent), since)
    assert len(rows) == len(sent) == 48
    for found in rows.to_dict("records"):
        expected = sent[found["request_id"]].row
        assert {name: found[name] for name in expected} == expected
    for file in segments(lab.home / "volumes" / "audit" / "audit-stream"):
        content = file.read_text()
        assert not any(part in content for token in tokens.values() for part in token.split("."))


def test_of_a_platform_elsewhere_the_admin_is_given_a_copy_and_the_word_of_who_seals_it(
    lab: Lab, target: Target, tokens: dict[str, str]
) -> None:
    since = datetime.now(UTC)
    sent = send(lab, lab.url("gateway"), KINDS[0], tokens)
    here = rows_of(target, {sent}, since)
    there = dataclasses.replace(target, engine="cluster", home=None)
    found = audit(there, request_id=sent)
    assert found.to_dict("records") == here.to_dict("records")
    with tampered_audit(there) as copy:
        assert "record 5" in str(verify_audit(folder=copy))
    verdict = verify_audit(there)
    assert verdict.sealed and not verdict.broken and verdict.seq >= max(here.seq)


def test_a_caller_past_the_gateways_is_a_row_of_its_own(
    lab: Lab, target: Target, mesh_ca: pki.Authority, tmp_path: Path
) -> None:
    since = datetime.now(UTC)
    with pytest.raises(httpx.TransportError):
        call(lab, MODEL, NAMES[MODEL], issued(TENANT_B, mesh_ca), mesh_ca.root, tmp_path)
    rows = eventually(lambda: audit(target, actor=TENANT_B, since=since.isoformat()).to_dict("records"))
    assert [(one["decision"], one["layer"], one["tenant"], one["actor_tenant"]) for one in rows] == [
        ("denied", "sidecar", "tenant-a", "tenant-b")
    ]
    assert rows[0]["policy"] == "NetworkPolicy tenant-a/default-deny, tenant-a/what-is-needed"


def test_the_api_server_and_the_services_say_who_it_was(lab: Lab, target: Target, tokens: dict[str, str]) -> None:
    since = datetime.now(UTC)
    admin = Kube(lab.home / "kubeconfig")
    account = "system:serviceaccount:tenant-b:default"
    path = "/api/v1/namespaces/tenant-a/secrets"
    refused = admin.session.get(admin.server + path, headers={"Impersonate-User": account}, timeout=10)
    who = f"{account} (by kubernetes-admin)"
    (one,) = eventually(lambda: audit(target, actor=who, since=since.isoformat()).to_dict("records"))
    assert (one["request_id"], one["decision"]) == (refused.headers["audit-id"], "denied")
    assert (one["policy"], one["reason"], one["tenant"], one["resource"]) == ("RBAC", "Forbidden", "tenant-a", path)
    headers = {"Authorization": f"Bearer {tokens['tenant-b']}"}
    assert requests.get(lab.url("management") + "/api/admin/system", headers=headers, timeout=10).status_code == 403
    asked = {"actor": "tenant-b", "decision": "denied", "since": since.isoformat()}
    (one,) = eventually(lambda: [r for r in audit(target, **asked).to_dict("records") if "management" in r["hops"]])
    assert (one["layer"], one["hops"], one["actor_tenant"]) == ("management", "sidecar management", "tenant-b")


def test_killed_in_the_middle_it_has_every_request_once(lab: Lab, target: Target, tokens: dict[str, str]) -> None:
    since, url, ids = datetime.now(UTC), lab.url("gateway"), []
    for number in range(200):
        ids.append(send(lab, url, KINDS[number % len(KINDS)], tokens))
        if number == 100:
            (process,) = (p for p in lab.processes() if "iiab_lab.services.audit" in p.cmdline())
            os.kill(process.pid, signal.SIGKILL)
    rows = rows_of(target, set(ids), since)
    assert len(rows) == len(ids) == 200 and rows.request_id.is_unique
    records = audit(target, since=since.isoformat(), limit=10**6, hops=True)
    edge = records[records.request_id.isin(ids) & (records.layer == "tier-1")]
    assert len(edge) == 200 and edge.request_id.is_unique
    assert not verify_audit(target).broken


def test_one_changed_byte_is_found_where_it_is(lab: Lab, target: Target) -> None:
    done = lab.iiab("audit", "verify")
    assert "records hold" in done.stdout and "sealed" in done.stdout
    with tampered_audit(target) as copy:
        done = lab.iiab("audit", "verify", "--folder", str(copy), check=False)
        file = segments(copy)[0]
    assert done.returncode == 1
    assert f"BROKEN at record {int(file.stem) + 4} ({file.name}, line 5)" in done.stdout


def test_only_the_owner_reads_it(lab: Lab) -> None:
    folder = lab.home / "volumes" / "audit"
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}
