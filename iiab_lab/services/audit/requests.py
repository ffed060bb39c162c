"""Records → requests: one row each, as the client saw it, with the hop that decided and what that hop says.

Every hop's record stands in the stream; here those of one request are put side by side by its id. An id can be forged by
whoever calls a hop past the one before it: so a record only joins another's request if it came from a gateway of the platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from . import places
from .proxies import APPLICATION, FURTHER_IN
from .record import ALLOWED, ANONYMOUS
from .stream import segments

Record = Mapping[str, Any]
COLUMNS = (
    "seq",
    "time",
    "plane",
    "tenant",
    "actor",
    "actor_tenant",
    "verb",
    "host",
    "resource",
    "decision",
    "status",
    "layer",
    "policy",
    "reason",
    "request_id",
    "hops",
)
# Who hands requests on: what comes from one of these is part of a request that another record stands for.
_GATEWAYS = (
    "/ns/envoy-gateway-system/sa/envoy-ai-inference-gateway",
    "/ns/istio-system/sa/istio-ingressgateway",
    "/ns/knative-serving/sa/activator",
)
_RANK = {hop: rank for rank, hop in enumerate(places.ORDER)}


def newest(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The records of each segment in their order, the newest segment first; a line that cannot be read is left out."""
    for file in reversed(segments(folder)):
        yield [record for text in file.read_bytes().splitlines() if (record := _read(text))]


def joined(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row per request, in the order of their first records."""
    entered: list[list[Record]] = []
    by_id: dict[str, list[Record]] = {}
    within: list[Record] = []
    for record in records:
        if not _enters(record):
            within.append(record)
            continue
        entered.append([record])
        if record["request_id"] and (record["hop"] == places.TIER_1 or record["request_id"] not in by_id):
            by_id[record["request_id"]] = entered[-1]
    for record in within:
        one = by_id.get(record["request_id"])
        if one is None:
            one = by_id[record["request_id"]] = []
            entered.append(one)
        one.append(record)
    return sorted((_row(one) for one in entered), key=lambda row: int(row["seq"]))


def alone(record: Record) -> dict[str, Any]:
    """A record as a row of its own."""
    return _row([record])


def _enters(record: Record) -> bool:
    if not record["request_id"]:
        return True  # as a refused connection: there is nothing to join it by
    if record["hop"] in (places.MANAGEMENT, places.IDENTITY, places.METRICS):
        return False
    return record["hop"] in (places.API, places.AUDIT, places.TIER_1) or not record["actor"].endswith(_GATEWAYS)


def _row(records: list[Record]) -> dict[str, Any]:
    hops = sorted(records, key=lambda record: _RANK.get(record["hop"], len(_RANK)))
    outer, inner = hops[0], hops[-1]
    decider = outer if outer["decision"] == ALLOWED else _decider(hops)
    who = next((one for one in hops if one["actor"] != ANONYMOUS and one["hop"] not in _PASSING), outer)
    row = {name: outer[name] for name in COLUMNS if name in outer}
    return row | {
        "tenant": next((one["tenant"] for one in reversed(hops) if one["tenant"]), ""),
        "actor": who["actor"],
        "actor_tenant": who["actor_tenant"],
        "layer": _layer(inner if outer["decision"] == ALLOWED else decider),
        "policy": decider["policy"],
        "reason": decider["reason"],
        "hops": " ".join(dict.fromkeys(one["hop"] for one in hops)),
    }


def _layer(record: Record) -> str:
    return "application" if record["reason"] == APPLICATION else str(record["hop"])


# There the actor is the hop before: not who began the request, unless nobody better is known.
_PASSING = (places.TIER_2, places.ACTIVATOR, places.SIDECAR)


def _decider(hops: list[Record]) -> Record:
    """The innermost that refused by itself; else the outermost."""
    told = [one for one in hops if one["decision"] != ALLOWED and one["reason"] != FURTHER_IN]
    return told[-1] if told else hops[0]


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(text)
    except ValueError:
        return None
    return found if "seq" in found else None
