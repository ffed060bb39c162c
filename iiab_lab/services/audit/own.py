"""The stream and a tenant → the requests that are the tenant's own: to what is in its namespace, and by its own callers.

Records that do not name the tenant are not even read, so nothing of others is put beside its own. Who of others asked for
something of the tenant's is not named, nor is the policy by which another namespace refused its callers.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import orjson

from .requests import joined
from .stream import segments

MOST = 1000
ANOTHER = "another"
# Of a stream in which a tenant is seldom named, no more is searched: 128 MiB.
_SEGMENTS = 8
_RECORDS = 8 * MOST


def rows(folder: Path, tenant: str, limit: int, decision: str = "", request_id: str = "") -> list[dict[str, Any]]:
    """The newest `limit` that fit, oldest first, with the columns of `requests.COLUMNS`."""
    found: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    for segment in reversed(segments(folder)[-_SEGMENTS:]):
        records = [*_named(segment, tenant), *records]
        found = [_shown(row, tenant) for row in joined(records)]
        found = [row for row in found if decision in ("", row["decision"]) and request_id in ("", row["request_id"])]
        if len(found) > limit or len(records) > _RECORDS:
            break
    return found[-limit:]


def _named(segment: Path, tenant: str) -> deque[dict[str, Any]]:
    """The newest of the segment's records; read line by line, because a segment is large and a tenant's share of it small."""
    own: deque[dict[str, Any]] = deque(maxlen=_RECORDS)
    needle = orjson.dumps(tenant)
    with segment.open("rb") as lines:
        for line in lines:
            if needle in line and (record := _read(line)) and tenant in (record["tenant"], record["actor_tenant"]):
                own.append(record)
    return own


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(line)
    except ValueError:  # the line that is just being written
        return None
    return found if "seq" in found else None


def _shown(row: dict[str, Any], tenant: str) -> dict[str, Any]:
    if row["actor_tenant"] not in ("", tenant):
        row = row | {"actor": ANOTHER, "actor_tenant": ""}
    return row if row["tenant"] in ("", tenant) else row | {"policy": ""}
