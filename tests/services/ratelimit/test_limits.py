"""Windows that slide, buckets that stay apart, limits that change while they count; and the same over real gRPC."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.envoy import rate_limits
from iiab_lab.services.ratelimit.limits import Limits
from iiab_lab.services.ratelimit.service import PROTO, handlers

SCOPE = "httproute/tenant/model"


def spec(*rules: tuple[int, str], header: str = "") -> dict[str, Any]:
    who = {"clientSelectors": [{"headers": [{"name": header, "type": "Distinct"}]}]} if header else {}
    made = [{"limit": {"requests": requests, "unit": unit}, **who} for requests, unit in rules]
    return {"rateLimit": {"type": "Global", "global": {"rules": made}}}


def entries(wanted: dict[str, Any], **headers: str) -> list[list[tuple[str, str]]]:
    """What Envoy would send: the actions of the route, carried out on these headers."""
    sent = []
    for one in rate_limits.actions(SCOPE, wanted):
        made = []
        for action in one["actions"]:
            ((kind, said),) = action.items()
            value = headers.get(said["header_name"]) if kind == "request_headers" else said["descriptor_value"]
            made.append((said["descriptor_key"], value))
        if all(value is not None for _, value in made):
            sent.append(made)
    return sent


def loaded(wanted: dict[str, Any], limits: Limits | None = None, **others: dict[str, Any]) -> Limits:
    limits = limits or Limits()
    limits.load([rate_limits.configuration("edge", {SCOPE: wanted} | others)])
    return limits


def passes(limits: Limits, wanted: dict[str, Any], **headers: str) -> bool:
    return not any(d and d.over for d in limits.decide("edge", entries(wanted, **headers)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """[now], which everybody reads; tests move it."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.mark.parametrize("requests", [1, 2000])
def test_with_a_scope_goes_what_was_counted_in_it_and_nothing_else(clock: list[float], requests: int) -> None:
    wanted = spec((requests, "Hour"), header="x-client")
    limits = loaded(wanted, **{f"{SCOPE}-2": wanted})
    for _ in range(requests):
        assert passes(limits, wanted, **{"x-client": "me"})
        limits.decide("edge", [[(f"{SCOPE}-2", f"{SCOPE}-2"), ("rule-0-match-0", "me")]])
    limits.load([rate_limits.configuration("edge", {f"{SCOPE}-2": wanted})])
    held = {name for name in (*limits._storage.events, *limits._storage.storage)}
    assert held and not [name for name in held if f"/{SCOPE}/" in name]
    loaded(wanted, limits)
    assert passes(limits, wanted, **{"x-client": "me"})


def test_a_minutes_limit_lets_so_many_pass_and_no_more(clock: list[float]) -> None:
    wanted = spec((100, "Minute"))
    limits = loaded(wanted)
    assert sum(passes(limits, wanted) for _ in range(300)) == 100


def test_no_window_edge_lets_a_second_hundred_through(clock: list[float]) -> None:
    wanted = spec((100, "Minute"))
    limits = loaded(wanted)
    clock[0] += 59.9
    assert sum(passes(limits, wanted) for _ in range(150)) == 100
    clock[0] += 0.2  # the clock's next minute has begun
    assert sum(passes(limits, wanted) for _ in range(150)) == 0
    clock[0] += 60
    assert sum(passes(limits, wanted) for _ in range(150)) == 100


def test_the_hours_limit_holds_across_minutes(clock: list[float]) -> None:
    wanted = spec((100, "Minute"), (250, "Hour"))
    limits, passed = loaded(wanted), []
    for _ in range(5):
        passed.append(sum(passes(limits, wanted) for _ in range(150)))
        clock[0] += 61
    assert passed == [100, 100, 50, 0, 0]


def test_a_large_limit_is_estimated_and_never_exceeded_within_its_window(clock: list[float]) -> None:
    wanted = spec((5000, "Hour"))
    limits = loaded(wanted)
    assert sum(passes(limits, wanted) for _ in range(6000)) == 5000
    clock[0] += 2 * 3600
    assert passes(limits, wanted)


def test_what_one_limit_refuses_no_limit_counts(clock: list[float]) -> None:
    wanted = spec((10, "Second"), (100, "Hour"))
    limits = loaded(wanted)
    for _ in range(50):
        passes(limits, wanted)
    _, hour = limits.decide("edge", entries(wanted))
    assert hour is not None and hour.remaining == 90


def test_two_clients_do_not_share_a_bucket_and_nobody_is_not_counted(clock: list[float]) -> None:
    wanted = spec((3, "Minute"), header="x-client-id")
    limits = loaded(wanted)
    for client in ("a", "b"):
        assert [passes(limits, wanted, **{"x-client-id": client}) for _ in range(4)] == [True] * 3 + [False]
    assert entries(wanted) == [] and limits.decide("edge", []) == []


def test_new_limits_keep_what_was_counted_and_others_buckets_are_as_they_were(clock: list[float]) -> None:
    wanted = spec((3, "Minute"))
    limits = loaded(wanted)
    assert [passes(limits, wanted) for _ in range(4)] == [True, True, True, False]
    loaded(wanted, limits, **{"httproute/other/model": spec((9, "Hour"))})
    assert not passes(limits, wanted)
    raised = spec((5, "Minute"))
    loaded(raised, limits)
    assert [passes(limits, raised) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"domain": "d", "descriptors": [{"value": "x"}]},
        {"descriptors": []},
        {"domain": "d", "descriptors": [{"key": "k", "rate_limit": {"unit": "fortnight", "requests_per_unit": 1}}]},
    ],
)
def test_a_configuration_that_is_none_is_refused_and_the_former_stays(clock: list[float], wrong: dict) -> None:
    wanted = spec((1, "Hour"))
    limits = loaded(wanted)
    with pytest.raises((KeyError, ValueError)):
        limits.load([wrong])
    assert [passes(limits, wanted) for _ in range(2)] == [True, False]


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["Second", "Minute", "Hour"])), min_size=1, max_size=4))
def test_what_envoy_sends_is_always_found(rules: list[tuple[int, str]]) -> None:
    """Both halves of the bargain are made from the same rules."""
    wanted = spec(*rules)
    decided = loaded(wanted).decide("edge", entries(wanted))
    assert [(d.requests, d.unit) for d in decided if d] == [(number, unit.lower()) for number, unit in rules]


def test_over_grpc_as_envoy_asks() -> None:
    wanted = spec((2, "Hour"), header="x-client-id")
    request = PROTO.RateLimitRequest(domain="edge")
    for descriptor in entries(wanted, **{"x-client-id": "k1"}):
        added = request.descriptors.add()
        for key, value in descriptor:
            added.entries.add(key=key, value=value)

    async def asked() -> list[Any]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((handlers(loaded(wanted)),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(
                "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
                PROTO.RateLimitRequest.SerializeToString,
                PROTO.RateLimitResponse.FromString,
            )
            answers = [await call(request) for _ in range(3)]
        await server.stop(None)
        return answers

    answers = asyncio.run(asked())
    assert [a.overall_code for a in answers] == [PROTO.RateLimitResponse.OK] * 2 + [PROTO.RateLimitResponse.OVER_LIMIT]
    assert [a.statuses[0].limit_remaining for a in answers] == [1, 0, 0]
    assert answers[0].statuses[0].current_limit.requests_per_unit == 2
    assert [h.key for h in answers[2].response_headers_to_add] == ["retry-after"]
