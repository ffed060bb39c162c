"""What an attack is: one that is sent, the layer that is to stop it, and the control that is to pass. Data, and the ways to send.

In texts that are sent, a name in angle brackets stands for what the stage knows: `<token:alg-none>`, `<victim>`, `<key>`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import h2wire, wire

if TYPE_CHECKING:
    from .stage import Stage

PREDICT = "/v1/models/sklearn-iris:predict"
FLOWER = '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
# Who may decide. "model" and the programs answer what every proxy let pass.
EDGE, TIER_2, ACTIVATOR, SIDECAR, MODEL = "edge", "tier-2", "activator", "sidecar", "model"
IDENTITY, MANAGEMENT, PROMETHEUS, METRICS = "identity", "management", "prometheus", "metrics"
API_SERVER, CONTROLLERS, CONFINEMENT = "api-server", "controllers", "confinement"
LAYERS = (
    *(EDGE, TIER_2, ACTIVATOR, SIDECAR, MODEL, IDENTITY, MANAGEMENT, PROMETHEUS, METRICS),
    *(API_SERVER, CONTROLLERS, CONFINEMENT),
)
# Counts what the edge cut off before it was a request: of that there is no line.
BROKEN = 'envoy_http_downstream_cx_protocol_error{namespace="envoy-gateway-system"}'
Headers = tuple[tuple[str, str], ...]
_LINGER = 0.15  # for the answer to a request within a request


@dataclass(frozen=True)
class Outcome:
    """What came back. `layer` where the answer itself tells who gave it; else a log line or a metric has to."""

    status: str
    said: str = ""
    request_ids: tuple[str, ...] = ()
    layer: str = ""


Send = Callable[["Stage"], Outcome]


@dataclass(frozen=True)
class Attack:
    """`statuses` are those expected of the attack, `passes` of its control; `layers` who may have decided.

    `says` must and `hides` must not stand in the answer or in a log line about it. `metric` is a counter (PromQL, summed)
    that grows by one per such attack: the evidence where nothing has a request id. `slow` ones run beside the others. `shared`
    ones go for what Pods share where they are processes of one machine; a container of its own keeps nothing from them there.
    """

    id: str
    kind: str
    source: str
    tries: str
    send: Send
    layers: tuple[str, ...]
    statuses: tuple[str, ...]
    control: Send
    passes: tuple[str, ...] = ("200",)
    says: str = ""
    hides: str = ""
    metric: str = ""
    slow: bool = False
    shared: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.id}"

    @property
    def expected(self) -> str:
        return f"{' or '.join(self.statuses)} @ {' or '.join(self.layers)}"


@dataclass(frozen=True)
class Ask:
    """One HTTP/1.1 request, its path and headers in the bytes given, to a door of the platform.

    `bearer` names a token of the stage; `shows` the mesh identity whose certificate is shown at a door of the mesh.
    """

    path: str = PREDICT
    method: str = "POST"
    bearer: str = "tenant-a"
    headers: Headers = ()
    body: str = FLOWER
    door: str = "edge"
    host: str = "localhost"
    shows: str = ""
    patience: float = 5.0

    def __call__(self, stage: Stage) -> Outcome:
        own = str(uuid.uuid4())
        named = {name.lower() for name, _ in self.headers}
        usual = {"host": self.host, "content-type": "application/json", "x-request-id": own}
        if self.bearer:
            usual["authorization"] = f"Bearer <token:{self.bearer}>"
        headers = [*((k, v) for k, v in usual.items() if k not in named), *self.headers]
        filled = [(name, stage.fill(value)) for name, value in headers]
        body = stage.fill(self.body).encode() if self.method != "GET" else b""
        return _asked(stage, self, wire.framed(self.method, stage.fill(self.path), filled, body), own)


@dataclass(frozen=True)
class Raw:
    """A head as it stands, its lines ended by CRLF, and a body; `<length>` is the body's in bytes, `<id>` a request id."""

    head: str
    body: str = FLOWER
    door: str = "edge"
    shows: str = ""
    patience: float = 3.0

    def __call__(self, stage: Stage) -> Outcome:
        own = str(uuid.uuid4())
        body = self.body.encode("latin-1")
        head = self.head.replace("<length>", str(len(body))).replace("<id>", own)
        return _asked(stage, self, stage.fill(head.replace("\n", "\r\n")).encode("latin-1") + body, own, _LINGER)


@dataclass(frozen=True)
class H2:
    """One HTTP/2 request over TLS to the edge: the usual headers with `changed` values, without `dropped`, and `added` after."""

    changed: Headers = ()
    dropped: tuple[str, ...] = ()
    added: Headers = ()
    first: Headers = ()

    def __call__(self, stage: Stage) -> Outcome:
        own = str(uuid.uuid4())
        usual = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": PREDICT}
        usual |= {"authorization": "Bearer <token:tenant-a>", "content-type": "application/json", "x-request-id": own}
        usual |= dict(self.changed)
        kept = [(name, value) for name, value in usual.items() if name not in self.dropped]
        headers = [(name, stage.fill(value)) for name, value in (*self.first, *kept, *self.added)]
        door = stage.door("edge-h2")
        reply = h2wire.exchange(door.address, headers, FLOWER.encode(), stage.trust("edge-h2"), door.name)
        return _outcome(reply, own, "")


@dataclass(frozen=True)
class Api:
    """One request to the Kubernetes API as `actor`; what is written is written dry."""

    path: str
    actor: str
    method: str = "GET"
    body: str = ""
    headers: Headers = ()

    def __call__(self, stage: Stage) -> Outcome:
        return stage.api(self.actor, self.method, self.path, self.body, dict(self.headers))


def _asked(stage: Stage, what: Ask | Raw, data: bytes, own: str, linger: float = 0.0) -> Outcome:
    door = stage.door(what.door)
    tls = (
        stage.shown(what.shows, door) if what.shows else stage.trust(what.door) if door.tls and not door.mesh else None
    )
    return _outcome(wire.exchange(door.address, data, tls, door.name, what.patience, linger), own, door.layer)


def _outcome(reply: wire.Reply, own: str, layer: str) -> Outcome:
    told = reply.headers.get("x-request-id", "")
    said = reply.body + (f" ({reply.answers} answers)" if reply.answers > 1 else "")
    return Outcome(reply.status, said, tuple({own: 0, told or own: 0}), layer if reply.answers else "")
