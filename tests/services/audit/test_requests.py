"""Records of one request → one row as its client saw it; records of a forged id stay rows of their own."""

from __future__ import annotations

from typing import Any

from iiab_lab.services.audit.requests import joined

from .facts import EDGE, INGRESS, fact

ACTIVATOR = "spiffe://cluster.local/ns/knative-serving/sa/activator"
STRANGER = "spiffe://cluster.local/ns/tenant-b/sa/default"


def records(*facts: Any) -> list[dict[str, Any]]:
    return [made._asdict() | {"seq": number} for number, made in enumerate(facts, 1)]


def tier_2(**other: Any) -> Any:
    return fact(1, hop="tier-2", pod="istio-system/gw", actor=EDGE, actor_tenant="envoy-gateway-system", **other)


def sidecar(actor: str = INGRESS, **other: Any) -> Any:
    return fact(1, hop="sidecar", pod="tenant-a/iris-1", actor=actor, actor_tenant="istio-system", **other)


def test_the_hops_of_a_request_are_one_row() -> None:
    (row,) = joined(records(sidecar(), sidecar(ACTIVATOR), tier_2(), fact(1)))
    assert (row["actor"], row["actor_tenant"], row["tenant"]) == ("tenant-a", "tenant-a", "tenant-a")
    assert (row["decision"], row["layer"], row["hops"], row["seq"]) == (
        "allowed",
        "sidecar",
        "tier-1 tier-2 sidecar",
        4,
    )


def test_the_hop_that_refused_is_named_with_its_policy() -> None:
    inner = {
        "decision": "denied",
        "status": 403,
        "policy": "AuthorizationPolicy tenant-a/x rule 0",
        "reason": "authorization",
    }
    passed = {"decision": "denied", "status": 403, "reason": "answered further in"}
    (row,) = joined(records(sidecar(**inner), tier_2(**passed), fact(1, **passed)))
    assert (row["layer"], row["policy"], row["reason"]) == ("sidecar", inner["policy"], "authorization")
    assert (row["decision"], row["status"], row["actor"]) == ("denied", 403, "tenant-a")


def test_a_retry_that_went_well_is_what_the_client_saw() -> None:
    failed = {"decision": "error", "status": 503, "reason": "connection failure"}
    (row,) = joined(records(sidecar(**failed), sidecar(), tier_2(), fact(1)))
    assert (row["decision"], row["status"], row["reason"]) == ("allowed", 200, "")


def test_the_applications_own_answer_is_its_own() -> None:
    own = {"decision": "error", "status": 400, "reason": "the application's own answer"}
    passed = {"decision": "error", "status": 400, "reason": "answered further in"}
    (row,) = joined(records(sidecar(**own), fact(1, **passed)))
    assert row["layer"] == "application"


def test_a_forged_id_hides_nothing_behind_anothers_request() -> None:
    """Whoever calls a hop past the one before it chooses its id: each such request is a row, however often it has that id."""
    denied = {"decision": "denied", "status": 403, "reason": "authorization"}
    rows = joined(records(fact(1), tier_2(), sidecar(), *(sidecar(STRANGER, **denied) for _ in range(3))))
    assert [row["decision"] for row in rows] == ["allowed", "denied", "denied", "denied"]
    assert [row["actor"] for row in rows][1:] == [STRANGER] * 3


def test_a_service_knows_who_it_was_where_the_proxy_does_not() -> None:
    service = fact(1, hop="management", pod="default/m", tenant="", actor="tenant-c", actor_tenant="tenant-c")
    (row,) = joined(records(sidecar("anonymous", tenant="default"), service))
    assert (row["actor"], row["actor_tenant"], row["tenant"], row["layer"]) == (
        "tenant-c",
        "tenant-c",
        "default",
        "management",
    )


def test_every_request_of_the_control_plane_is_a_row_and_so_is_one_without_an_id() -> None:
    one = fact(1, plane="control", hop="api-server", request_id="a")
    cut = fact(2, request_id="")
    assert len(joined(records(one, cut, cut, fact(3, hop="audit", request_id="")))) == 4


def test_a_request_whose_edge_was_not_read_yet_is_a_row_already() -> None:
    (row,) = joined(records(tier_2(), sidecar()))
    assert row["hops"] == "tier-2 sidecar" and row["actor"] == EDGE


def test_connections_that_were_refused_are_a_row_each() -> None:
    refused = {"request_id": "", "verb": "connect", "decision": "denied", "status": 0, "policy": "NetworkPolicy a/b"}
    rows = joined(records(sidecar(**refused), sidecar(ACTIVATOR, **refused), tier_2(), fact(1)))
    assert [(row["actor"], row["decision"]) for row in rows] == [
        (INGRESS, "denied"),
        (ACTIVATOR, "denied"),
        ("tenant-a", "allowed"),
    ]
