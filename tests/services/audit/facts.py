"""Facts and lines for the tests of the audit stream."""

from __future__ import annotations

from typing import Any

from iiab_lab.services.audit.record import Fact

EDGE = "spiffe://cluster.local/ns/envoy-gateway-system/sa/envoy-ai-inference-gateway"
INGRESS = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"
ID = "039c3c63-1b26-4fc4-81df-2610269b7422"
PREDICT = "/v1/models/sklearn-iris:predict"
ROUTE = "httproute/tenant-a/sklearn-iris/rule/0/match/0"


def fact(number: int = 0, **other: Any) -> Fact:
    made = Fact(
        f"2026-11-25T16:20:{number % 60:02d}.000Z",
        "data",
        "tier-1",
        "envoy-gateway-system/envoy-1",
        "tenant-a",
        "tenant-a",
        "tenant-a",
        "POST",
        "localhost",
        PREDICT,
        "allowed",
        200,
        "",
        "",
        f"request-{number}",
    )
    return made._replace(**other)


def line(**other: Any) -> dict[str, Any]:
    """As the edge wrote it of a prediction."""
    return {
        "client": None,
        "code": 200,
        "details": "via_upstream",
        "flags": "-",
        "hop": "tier-1",
        "host": "localhost:8080",
        "method": "POST",
        "microseconds": 7217,
        "path": PREDICT,
        "peer": None,
        "request_id": ID,
        "route": ROUTE,
        "subject": "tenant-a",
        "tenant": "tenant-a",
        "time": "2026-11-25T16:20:03.959Z",
        "upstream": "httproute/tenant-a/sklearn-iris/rule/0",
    } | other
