"""What wears a server out: slow clients, many clients, much of anything. Bounded: seconds, some hundred connections, 20 MiB.

The slow ones run beside the rest of the catalogue, which shows besides that nobody else notices them.
"""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .. import h2wire, wire
from ..attack import API_SERVER, BROKEN, EDGE, FLOWER, MANAGEMENT, MODEL, PREDICT, Api, Ask, Attack, Outcome, Raw
from ..stage import Stage

_OWN = Ask()
_SOURCE = "API4:2023"
_CROWD, _RESETS, _BYSTANDERS, _EACH, _SECONDS, _PACE = 300, 600, 4, 25, 13.0, 0.5
_MIB = 1 << 20
_HEAD = (
    f"POST {PREDICT} HTTP/1.1\nhost: localhost\nauthorization: Bearer <token:tenant-a>\n"
    "content-type: application/json\nx-request-id: <id>\n"
)


@dataclass(frozen=True)
class Slow:
    """One client that sends `head` and then a piece every half second, for 13 s at most; `piece` is repeated."""

    head: str
    piece: str

    def __call__(self, stage: Stage) -> Outcome:
        own, door = f"slow-{time.monotonic_ns()}", stage.door("edge")
        head = stage.fill(self.head.replace("\n", "\r\n").replace("<id>", own)).encode()
        reply = wire.exchange(door.address, self._pieces(head), patience=_SECONDS)
        return Outcome(reply.status, reply.body, (own, reply.headers.get("x-request-id", own)))

    def _pieces(self, head: bytes) -> Iterator[bytes]:
        yield head
        while True:
            time.sleep(_PACE)
            yield self.piece.encode()


def crowd(stage: Stage) -> Outcome:
    """A bystander's prediction while three hundred connections are open and say nothing."""
    door = stage.door("edge")
    with contextlib.ExitStack() as open_:
        for _ in range(_CROWD):
            open_.enter_context(contextlib.closing(wire.connect(door.address)))
        return _OWN(stage)


def resets(stage: Stage) -> Outcome:
    """Requests that are taken back as soon as they are made: the first of the bystanders' that is not served, else the last."""
    door = stage.door("edge-h2")
    path, bearer = "/v1/models/sklearn-iris", f"Bearer {stage.token('tenant-a')}"  # one that is not answered at once
    headers = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
    with ThreadPoolExecutor(_BYSTANDERS) as others:
        asked = [others.submit(_OWN, stage) for _ in range(_BYSTANDERS * _EACH)]
        h2wire.resets(door.address, [*headers, ("authorization", bearer)], _RESETS, stage.trust("edge-h2"), door.name)
        outcomes = [one.result() for one in asked]
    return next((one for one in outcomes if one.status != "200"), outcomes[-1])


def continuations(stage: Stage) -> Outcome:
    """One header block that never ends."""
    door = stage.door("edge-h2")
    reply = h2wire.endless(door.address, stage.trust("edge-h2"), door.name)
    return Outcome(reply.status, reply.body)


def bomb(stage: Stage) -> Outcome:
    """20 KiB that become 20 MiB for whoever unpacks them."""
    packed = gzip.compress(b" " * (20 * _MIB)).decode("latin-1")
    return Raw(f"{_HEAD}content-encoding: gzip\ncontent-length: <length>\n\n", packed, patience=10)(stage)


def _deep(levels: int) -> str:
    return '{"instances": ' + "[" * levels + "]" * levels + "}"


def _chunked(body: str) -> str:
    pieces = [body[place : place + _MIB] for place in range(0, len(body), _MIB)]
    return "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces) + "0\r\n\r\n"


_LAUGHS = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)), "apiVersion: v1"]
)
_MANAGED = Ask("/api/models", "GET", door="management")
_CONFIG_MAPS = "/api/v1/namespaces/tenant-b/configmaps"
_CREATE = Api(_CONFIG_MAPS, "tenant-b", "POST", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}')

ATTACKS = (
    Attack(
        "slow-headers", "resources", f"{_SOURCE}; CVE-2007-6750", "a client whose headers never end",
        Slow(_HEAD, "x-a: b\r\n"), (EDGE,), ("408", "closed"), _OWN,
        metric='envoy_http_downstream_rq_header_timeout{namespace="envoy-gateway-system"}', slow=True,
    ),
    Attack(
        "slow-body", "resources", _SOURCE, "a client that sends a body byte by byte",
        Slow(f"{_HEAD}content-length: 1000\n\n", " "), (EDGE,), ("408", "closed"), _OWN,
        metric='envoy_http_downstream_rq_timeout{namespace="envoy-gateway-system"}', slow=True,
    ),
    Attack("many-connections", "resources", _SOURCE, "three hundred idle connections", crowd, (MODEL,), ("200",), _OWN, slow=True),
    Attack("rapid-reset", "resources", "CVE-2023-44487", "six hundred requests taken back at once", resets, (MODEL,), ("200",), _OWN),
    Attack(
        "continuation-flood", "resources", "CVE-2024-30255", "headers of HTTP/2 that never end",
        continuations, (EDGE,), ("closed", "reset"), _OWN, metric='envoy_http2_header_list_size_too_large{namespace="envoy-gateway-system"}',
    ),
    Attack(
        "huge-header", "resources", _SOURCE, "a header of 64 KiB", Ask(headers=(("x-a", "a" * (64 << 10)),)), (EDGE,), ("431",),
        Ask(headers=(("x-a", "a" * (8 << 10)),)), metric=BROKEN,
    ),
    Attack(
        "many-headers", "resources", _SOURCE, "two hundred headers", Ask(headers=tuple((f"x-{n}", "1") for n in range(200))),
        (EDGE,), ("431",), Ask(headers=tuple((f"x-{n}", "1") for n in range(50))), metric=BROKEN,
    ),
    Attack(
        "huge-path", "resources", _SOURCE, "a path of 64 KiB", Ask(f"{PREDICT}?x={'a' * (64 << 10)}"), (EDGE,), ("414", "431"),
        Ask(f"{PREDICT}?x={'a' * 1024}"), metric=BROKEN,
    ),
    Attack(
        "huge-body", "resources", _SOURCE, "a body of 4 GiB, it says",
        Raw(f"{_HEAD}content-length: {4 << 30}\n\n", patience=2), (EDGE,), ("413",), _OWN,
    ),
    Attack(
        "large-body", "resources", _SOURCE, "a prediction of 20 MiB", Raw(f"{_HEAD}content-length: <length>\n\n", " " * (20 * _MIB), patience=10),
        (EDGE,), ("413",), Raw(f"{_HEAD}content-length: <length>\n\n", FLOWER + " " * (100 << 10), patience=10),
    ),
    Attack(
        "large-chunks", "resources", _SOURCE, "the same in chunks, its length not said",
        Raw(f"{_HEAD}transfer-encoding: chunked\n\n", _chunked(" " * (20 * _MIB)), patience=10),
        (EDGE,), ("413",), Raw(f"{_HEAD}transfer-encoding: chunked\n\n", _chunked(FLOWER), patience=10),
    ),
    Attack("decompression", "resources", f"{_SOURCE}; CWE-409", "20 KiB that unpack to 20 MiB", bomb, (EDGE, MODEL), ("400", "413", "415"), _OWN),
    Attack("deep-json", "resources", f"{_SOURCE}; CWE-674", "a list a hundred thousand deep", Ask(body=_deep(100_000), patience=10), (EDGE, MODEL), ("400", "413"), _OWN),
    Attack(
        "management-huge-body", "resources", _SOURCE, "4 GiB for the management service, it says",
        Raw(f"POST /api/models HTTP/1.1\nhost: management.inference-in-a-box\nx-request-id: <id>\nauthorization: Bearer <token:tenant-a>\ncontent-length: {4 << 30}\n\n",
            "{", door="management"), (MANAGEMENT,), ("413",), _MANAGED,
    ),
    Attack(
        "management-chunks", "resources", _SOURCE, "a body without a length for the management service",
        Raw("POST /api/models HTTP/1.1\nhost: management.inference-in-a-box\nx-request-id: <id>\nauthorization: Bearer <token:tenant-a>\ntransfer-encoding: chunked\n\n",
            "1\r\n{\r\n", door="management"), (MANAGEMENT,), ("411", "413"), _MANAGED,
    ),
    Attack("management-deep-json", "resources", "CWE-674", "a list a hundred thousand deep, for the management service",
           Ask("/api/models", body=_deep(100_000), door="management"), (MANAGEMENT,), ("400",), _MANAGED),
    Attack("kube-deep-json", "resources", "CVE-2019-11253; CWE-674", "an object ten thousand levels deep",
           Api(_CONFIG_MAPS, "tenant-b", "POST", '{"a":' * 10_000 + "1" + "}" * 10_000), (API_SERVER,), ("400", "413", "422"), _CREATE, ("201",)),
    Attack("kube-yaml-bomb", "resources", "CVE-2019-11253; CWE-776", "YAML whose aliases become a thousand million words",
           Api(_CONFIG_MAPS, "tenant-b", "POST", _LAUGHS, (("content-type", "application/yaml"),)), (API_SERVER,), ("400", "413", "422"), _CREATE, ("201",)),
    Attack("kube-large-body", "resources", _SOURCE, "an object of 4 MiB",
           Api(_CONFIG_MAPS, "tenant-b", "POST", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"x": "' + "a" * (4 * _MIB) + '"}}'),
           (API_SERVER,), ("413",), _CREATE, ("201",)),
)  # fmt: skip
