"""Envoy's question over gRPC → the answer: the decision, the figures behind the RateLimit headers, Retry-After, metrics."""

from __future__ import annotations

from typing import Any

import grpc
from prometheus_client import Counter

from .limits import Decision, Limits

PROTO: Any = grpc.protos("iiab_lab/services/ratelimit/rls.proto")
_SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
_OK, _OVER = PROTO.RateLimitResponse.OK, PROTO.RateLimitResponse.OVER_LIMIT

_LABELS = ("domain", "key1", "key2")
total = Counter("ratelimit_service_rate_limit_total_hits", "Requests that a limit was asked about.", _LABELS)
over = Counter("ratelimit_service_rate_limit_over_limit", "Requests that a limit refused.", _LABELS)


def handlers(limits: Limits) -> grpc.GenericRpcHandler:
    async def should_rate_limit(request: Any, _: grpc.aio.ServicerContext) -> Any:
        asked = [[(entry.key, entry.value) for entry in one.entries] for one in request.descriptors]
        decisions = limits.decide(request.domain, asked, request.hits_addend or 1)
        for entries, decision in zip(asked, decisions, strict=True):
            _count(request.domain, [key for key, _ in entries], decision)
        return response(decisions)

    handler = grpc.unary_unary_rpc_method_handler(
        should_rate_limit, PROTO.RateLimitRequest.FromString, PROTO.RateLimitResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(_SERVICE, {"ShouldRateLimit": handler})


def announce(limits: Limits) -> None:
    """Every limit is counted from zero on: Prometheus sees no rate in a series that begins with its first hundred."""
    for labels in limits.named():
        total.labels(*labels)
        over.labels(*labels)


def response(decisions: list[Decision | None]) -> Any:
    refused = [decision for decision in decisions if decision and decision.over]
    made = PROTO.RateLimitResponse(overall_code=_OVER if refused else _OK, statuses=map(_status, decisions))
    if refused:
        wait = max(decision.seconds for decision in refused)
        made.response_headers_to_add.add(key="retry-after", value=str(wait))
    return made


def _status(decision: Decision | None) -> Any:
    if decision is None:
        return PROTO.RateLimitResponse.DescriptorStatus(code=_OK)
    unit = PROTO.RateLimitResponse.RateLimit.Unit.Value(decision.unit.upper())
    status = PROTO.RateLimitResponse.DescriptorStatus(
        code=_OVER if decision.over else _OK,
        current_limit=PROTO.RateLimitResponse.RateLimit(requests_per_unit=decision.requests, unit=unit),
        limit_remaining=decision.remaining,
    )
    status.duration_until_reset.seconds = decision.seconds
    return status


def _count(domain: str, keys: list[str], decision: Decision | None) -> None:
    if decision is not None:
        labels = (domain, *[*keys, "", ""][:2])
        total.labels(*labels).inc()
        if decision.over:
            over.labels(*labels).inc()
