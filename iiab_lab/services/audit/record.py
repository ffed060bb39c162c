"""One decision → one record: its fields, its one canonical line, and the hash that chains it to the record before.

A line is the record as JSON with sorted keys, no spaces, and its hash as the last field. The hash is SHA-256 over that line
without the hash; `previous`, the hash of the record before, is one of the fields it covers.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import orjson

GENESIS = "0" * 64
ALLOWED, DENIED, ERROR = "allowed", "denied", "error"
ANONYMOUS = "anonymous"
_HASH = b',"hash":"'
_SUFFIX = len(_HASH) + 64 + 2  # … and `"}`


class Fact(NamedTuple):
    """What one hop says of one request.

    `tenant` is the namespace whose resource was asked for, `actor_tenant` that of who asked; either is "" where the hop does
    not know. `status` is HTTP's, 0 for a request that got no answer.
    """

    time: str  # RFC 3339, UTC
    plane: str  # control or data
    hop: str
    pod: str  # namespace/name of whoever wrote it; "" for the API server
    tenant: str
    actor: str
    actor_tenant: str
    verb: str
    host: str
    resource: str
    decision: str
    status: int
    policy: str
    reason: str
    request_id: str


FIELDS = Fact._fields


def line(fact: Fact, seq: int, previous: str) -> tuple[bytes, str]:
    """→ the record's line, without its newline, and its hash."""
    body = orjson.dumps({**fact._asdict(), "seq": seq, "previous": previous}, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + _HASH + digest.encode() + b'"}', digest


def opened(text: bytes) -> tuple[int, str, str] | None:
    """A line → its number, the hash before it and its own; None unless its hash is that of its content."""
    body, suffix = text[:-_SUFFIX] + b"}", text[-_SUFFIX:]
    digest = hashlib.sha256(body).hexdigest()
    if suffix != _HASH + digest.encode() + b'"}':
        return None
    try:
        found = orjson.loads(body)
        return int(found["seq"]), str(found["previous"]), digest
    except (ValueError, KeyError, TypeError):
        return None
