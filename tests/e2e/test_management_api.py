"""The REST API against its own OpenAPI document, and the examples it prints, run as printed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from .lab import Lab
from .management import Management

MODEL = "documented"
CHECKS = [status_code_conformance, content_type_conformance]
FEW = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[Management]:
    admin = Management(lab, lab.token("admin"))
    admin.create(MODEL)
    yield admin
    admin.remove(MODEL)


@pytest.fixture(scope="module")
def key(admin: Management) -> str:
    return admin.publish(MODEL, rateLimiting={"requestsPerMinute": 1000})


def test_any_request_gets_an_answer_that_the_document_knows(lab: Lab, admin: Management) -> None:
    """As a tenant, so that nothing but its own can be hit; 502 and 503 are answers about the platform, 500 never is."""
    document = admin.ok("GET", "/openapi.json")
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {lab.token('tenant-c')}"}
    seen: dict[int, int] = {}
    for operation in (found.ok() for found in schema.get_all_operations()):

        @FEW
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            answer = case.call(base_url=admin.url, headers=headers, timeout=30)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            case.validate_response(answer, checks=CHECKS)

        one()
    assert sum(seen.values()) > 100 and 500 not in seen, seen


@pytest.mark.parametrize("language", ["curl", "python", "javascript", "go"])
def test_an_example_runs_as_printed(lab: Lab, admin: Management, key: str, language: str, tmp_path: Path) -> None:
    said = admin.ok("GET", f"/api/models/{MODEL}/publish/documentation")
    program = said["sdkExamples"][language]
    commands = {
        "curl": ["bash", "example"],
        "python": ["python3", "example"],
        "javascript": ["node", "example"],
        "go": ["go", "run", "example.go"],
    }[language]
    (tmp_path / commands[-1]).write_text(program)
    (tmp_path / "lab-ca.crt").write_text(requests.get(admin.url + "/ca.crt", timeout=10).text)
    if shutil.which(commands[0]) is None:  # the text is still what the others' is made of
        assert said["endpointUrl"] in program and "lab-ca.crt" in program
        return
    environment = os.environ | {"API_KEY": key}
    done = subprocess.run(commands, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(said["expectedResponse"]["body"]) == json.loads(done.stdout.strip().removeprefix("200 "))


def test_lists_come_in_pages_and_by_choice(admin: Management) -> None:
    everything = admin.ok("GET", "/api/models")
    assert everything["total"] == len(everything["models"]) >= 2
    pages = [admin.ok("GET", f"/api/models?limit=1&offset={i}")["models"] for i in range(everything["total"])]
    assert [model for page in pages for model in page] == everything["models"]
    assert admin.ok("GET", "/api/models?framework=pytorch")["models"] == []
    assert admin.ok("GET", "/api/models?namespace=tenant-b")["total"] == 0
    assert admin.call("GET", "/api/models?limit=0").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "error"),
    [
        ("GET", "/api/nothing", None, 404, "API endpoint not found"),
        ("GET", "/api/models/nobody", None, 404, "Model not found"),
        ("POST", "/api/models", {}, 400, "Missing required fields: name, framework, storageUri"),
        (
            "POST",
            "/api/models",
            {"name": "x", "framework": "magic", "storageUri": "pvc://a/b"},
            400,
            "Unsupported framework",
        ),
        (
            "POST",
            "/api/models",
            {"name": "x", "framework": "pytorch", "storageUri": "pvc://a/b"},
            400,
            "No model server",
        ),
        (
            "POST",
            "/api/models",
            {"name": "X_", "framework": "sklearn", "storageUri": "pvc://a/b"},
            400,
            "Validation failed",
        ),
        (
            "POST",
            f"/api/models/{MODEL}/publish",
            {"config": {"tenantId": "tenant-z"}},
            404,
            "There is no tenant tenant-z",
        ),
        ("POST", f"/api/models/{MODEL}/publish", {"config": {}}, 400, "Invalid request format"),
        (
            "PUT",
            f"/api/models/{MODEL}/publish",
            {"config": {"rateLimiting": {"tokensPerHour": 5}}},
            400,
            "Validation failed",
        ),
        ("DELETE", "/api/models/sklearn-iris/publish", None, 404, "Model is not published"),
        ("DELETE", f"/api/models/{MODEL}", None, 409, "Model is published"),
        ("POST", "/api/admin/kubectl", {"command": "delete pod x"}, 400, "Command execution failed"),
        ("PATCH", "/api/models", None, 405, "Method Not Allowed"),
    ],
)
def test_a_refusal_says_what_and_what_to_do(
    admin: Management, key: str, method: str, path: str, body: Any, code: int, error: str
) -> None:
    answer = admin.call(method, path, body)
    assert answer.status_code == code and answer.json()["error"].startswith(error), answer.text


def test_a_body_that_is_too_large_is_413(admin: Management) -> None:
    body = {"name": "x", "framework": "sklearn", "storageUri": "pvc://" + "x" * (1 << 20)}
    assert admin.call("POST", "/api/models", body).status_code == 413
