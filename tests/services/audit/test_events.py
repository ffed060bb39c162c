"""Events of the API server → one record each, with the binding that allowed it or the reason that it was refused."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.services.audit import events

IDENTITY = "system:serviceaccount:identity:identity"
REASON = (
    'RBAC: allowed by RoleBinding "identity-client/tenant-a" of Role "identity-client" to ServiceAccount "identity"'
)


def event(**other: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": "Event",
        "auditID": "994b23b9-7990-48e9-97f5-c1a835dd21fb",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/tenant-a/secrets/identity-client?fieldManager=me",
        "verb": "get",
        "user": {"username": IDENTITY, "groups": []},
        "userAgent": "x",
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-11-25T16:19:57.181979Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": REASON},
        "objectRef": {"resource": "secrets", "namespace": "tenant-a", "name": "identity-client"},
    }
    return made | other


def refused(code: int, reason: str, **other: Any) -> dict[str, Any]:
    forbid = {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}
    status = {"code": code, "reason": reason, "message": "which may quote anything: hunter2"}
    return event(responseStatus=status, annotations=forbid, **other)


def test_who_did_what_to_what_and_by_which_binding() -> None:
    made = events.fact(event())
    assert made is not None
    assert made._asdict() == {
        "time": "2026-11-25T16:19:57.181979Z",
        "plane": "control",
        "hop": "api-server",
        "pod": "",
        "tenant": "tenant-a",
        "actor": IDENTITY,
        "actor_tenant": "identity",
        "verb": "get",
        "host": "",
        "resource": "/api/v1/namespaces/tenant-a/secrets/identity-client",
        "decision": "allowed",
        "status": 200,
        "policy": "RoleBinding identity-client/tenant-a",
        "reason": "",
        "request_id": "994b23b9-7990-48e9-97f5-c1a835dd21fb",
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (refused(403, "Forbidden"), ("denied", "RBAC", "Forbidden", IDENTITY)),
        (refused(401, "Unauthorized", user={}), ("denied", "authentication", "Unauthorized", "anonymous")),
        (
            event(responseStatus={"code": 404, "reason": "NotFound"}),
            ("error", "RoleBinding identity-client/tenant-a", "NotFound", IDENTITY),
        ),
        (
            event(responseStatus={"code": 403, "reason": "Forbidden"}, annotations={}),
            ("denied", "admission", "Forbidden", IDENTITY),
        ),
        (
            event(responseStatus={"code": 500}),
            ("error", "RoleBinding identity-client/tenant-a", "status 500", IDENTITY),
        ),
        (
            event(impersonatedUser={"username": "ann"}, annotations={}),
            ("allowed", "", "", f"ann (by {IDENTITY})"),
        ),
    ],
)
def test_how_it_was_decided(said: dict[str, Any], expected: tuple[str, ...]) -> None:
    made = events.fact(said)
    assert made is not None
    assert (made.decision, made.policy, made.reason, made.actor) == expected
    assert not any("hunter2" in str(value) for value in made)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({"verb": "watch", "stage": "ResponseStarted"}, True),
        ({"verb": "watch", "stage": "ResponseComplete"}, False),
        ({"verb": "watch", "stage": "ResponseComplete", "responseStatus": {"code": 403}}, True),
        ({"objectRef": {"resource": "pods", "subresource": "log"}, "stage": "ResponseComplete"}, False),
        ({"objectRef": {"resource": "pods", "subresource": "log"}, "stage": "ResponseStarted"}, True),
        ({"stage": "RequestReceived"}, False),
    ],
)
def test_a_request_has_one_record_however_many_events(said: dict[str, Any], counts: bool) -> None:
    assert (events.fact(event(**said)) is not None) is counts
