"""A service's line per request: who it was once that is proved, and nothing of what was sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from iiab_lab.services.audited import Audited, known_as

SECRET = "hunter2-hunter2"


async def proved(request: Request) -> Response:
    known_as(request, "ann", "tenant-a")
    return PlainTextResponse("ok")


async def nobody(_: Request) -> Response:
    return PlainTextResponse("no", 401)


async def broken(request: Request) -> Response:
    known_as(request, "ann", "tenant-a")
    raise RuntimeError(SECRET)


@pytest.fixture
def client() -> TestClient:
    within = Starlette(routes=[Route("/proved", proved, methods=["GET", "POST"])])
    routes = [Route("/nobody", nobody), Route("/broken", broken), Route("/health", nobody), Mount("/within", within)]
    return TestClient(Audited(Starlette(routes=routes), silent=("/health",)), raise_server_exceptions=False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_who_it_was_and_how_it_ended(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    headers = {"x-request-id": "r1", "authorization": f"Bearer {SECRET}", "cookie": f"session={SECRET}"}
    client.post(f"/within/proved?token={SECRET}", headers=headers, content=SECRET)
    (line,) = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {
        "request_id": "r1",
        "method": "POST",
        "path": "/within/proved",
        "host": "testserver",
        "code": 200,
        "actor": "ann",
        "tenant": "tenant-a",
    }


@pytest.mark.parametrize(
    ("path", "code", "actor"), [("/nobody", 401, None), ("/broken", 500, "ann"), ("/none", 404, None)]
)
def test_a_refusal_and_a_failure_leave_a_line_too(
    client: TestClient, capsys: pytest.CaptureFixture[str], path: str, code: int, actor: str | None
) -> None:
    client.get(path)
    (line,) = lines(capsys)
    assert (line["code"], line.get("actor")) == (code, actor)


def test_probes_leave_none_and_no_request_is_taken_for_the_one_before(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/health")
    client.get("/within/proved")
    client.get("/nobody")
    assert [line.get("actor") for line in lines(capsys)] == ["ann", None]
