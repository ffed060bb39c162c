"""The four doors of a controller. Everything it knows of the world comes and goes through these protocols.

`Client` is the Kubernetes API in process (the same validation and admission as over HTTP), `Proxy` an Envoy that
takes configuration, `Processes` the machine that runs a Pod's containers, `Clock` the time. Tests hand in the real
store, a stepped clock, and recorders for the other two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..envoy.snapshot import Snapshot
from ..objects.capacity import Capacity
from ..objects.kinds import Key, Kind
from ..objects.meta import Object
from ..objects.sandbox import Container, Sandbox, State, Usage
from ..rules.autoscaling.decider import Decision
from ..rules.autoscaling.metrics import Stat
from ..rules.autoscaling.settings import Settings


class Event(NamedTuple):
    """One change: type is ADDED, MODIFIED or DELETED; `object` is the state after it (before it, for DELETED)."""

    type: str
    object: Object


class Client(Protocol):
    """Reads are answered from memory at once; writes return when they are durable.

    An object that is read is shared with every other reader: yours to read, not to change. What is given to a write is yours
    again afterwards.
    """

    def get(self, kind: Kind, key: Key) -> Object | None: ...

    def list(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Object]: ...

    async def create(self, obj: Object) -> Object:
        """Creates; honours generateName. Raises `errors.ApiError` 409 AlreadyExists, 422 Invalid, 403 Forbidden."""
        ...

    async def apply(self, obj: Object) -> Object:
        """Creates the object or makes the stored one equal in what `obj` says; writes nothing where it already is.

        metadata.labels and annotations are merged key by key; ownerReferences, finalizers and every other top-level
        field (spec, data, …) are replaced; status is never touched.
        """
        ...

    async def set_status(self, kind: Kind, key: Key, status: Object) -> None:
        """Replaces the status; writes nothing where it is equal or the object is gone."""
        ...

    async def delete(
        self,
        kind: Kind,
        key: Key,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """Deletes; an object that is gone already is fine. `uid` is a precondition.

        `grace` in seconds is a running Pod's; 0 ends the wait of a Pod that is marked already.
        """
        ...

    def watch(self, kind: Kind | None) -> AsyncIterator[Event]:
        """Every present object as ADDED, then every change, in order, until closed. None: of every kind, new ones too."""
        ...

    def kinds(self) -> Sequence[Kind]:
        """Every kind that is served now."""
        ...

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        """The kind behind an object's (or a reference's) own words."""
        ...


@dataclass(frozen=True)
class Applied:
    """The whole snapshot is in force in every part of the proxy."""


@dataclass(frozen=True)
class Rejected:
    """Envoy refused; what was in force before still is. `resource` is an xDS resource name where Envoy told."""

    resource: str
    reason: str


class Proxy(Protocol):
    """Envoys, each named by the Pod it runs in (for a sidecar, the Pod it guards)."""

    async def apply(self, pod: Key, desired: Snapshot) -> Applied | Rejected:
        """Make before break. A proxy that does not run yet gets its files and starts from them: Applied.

        Called again with the same configuration once it runs, it tells whether Envoy took it.
        """
        ...

    async def check(self, candidate: Snapshot) -> str:
        """Validates a configuration without any running proxy → "" or why Envoy would refuse it."""
        ...

    def app_socket(self, pod: Key, port: int) -> str:
        """The path of the unix socket on which a meshed Pod's application listens in place of a containerPort."""
        ...


class Measured(NamedTuple):
    """One second of a revision that has so many Pods; or, told at once, that its first request came to the activator."""

    revision: Key
    at: float
    stats: tuple[Stat, ...]  # of its Pods, and of the activator
    pods: int = 0


class Load(Protocol):
    """How busy each revision is: what queue-proxy and the activator tell Knative's autoscaler."""

    def follow(self, revision: Key, pods: Iterable[Key], capacity: Capacity) -> None:
        """`pods` are those that are ready; the activator hears of the capacity."""
        ...

    def forget(self, revision: Key) -> None: ...

    def hold_at(self, pod: Key, uid: str) -> None:
        """Which Pod is the activator."""
        ...

    def measured(self) -> AsyncIterator[Measured]: ...


class Journal(Protocol):
    """Everything an autoscaler heard and decided, so that it can be played again, and its metrics."""

    def began(self, revision: Key, at: float, ready: int, settings: Settings) -> None: ...

    def changed(self, revision: Key, at: float, settings: Settings) -> None: ...

    def heard(self, measured: Measured) -> None: ...

    def ticked(self, revision: Key, at: float, ready: int, reachable: bool, decision: Decision) -> None: ...

    def counted(self, revision: Key, labels: Mapping[str, str], pods: Mapping[str, int]) -> None:
        """How many Pods are desired, requested, ready, not ready, pending, terminating."""
        ...

    def forgot(self, revision: Key) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Processes(Protocol):
    """What a kubelet does to a machine. Every method may be called again with the same arguments."""

    async def prepare(self, sandbox: Sandbox) -> Mapping[int, int]:
        """Directories, mounts (refreshed in place where files changed) and ports: containerPort → port on 127.0.0.1."""
        ...

    async def start(self, sandbox: Sandbox, container: Container) -> None:
        """Raises UnknownImage, or StartFailed. A container that already runs this attempt is left alone."""
        ...

    async def stop(self, uid: str, container: str = "", grace: float = 30.0) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds; without a container, the whole Pod and all its files but logs."""
        ...

    def state(self, uid: str, container: str) -> State | None: ...

    async def probe(self, uid: str, container: str, probe: Mapping[str, Any]) -> str:
        """Runs a Kubernetes probe (httpGet, tcpSocket; numeric ports) once. "" if it passes, else why it does not."""
        ...

    def usage(self, uid: str) -> Mapping[str, Usage]:
        """Of each container of a Pod that runs, measured every 15 s; nothing until all of them have been."""
        ...

    async def forget(self, namespace: str) -> None:
        """What outlives the Pods of a namespace: what its claims held at once, its logs once they are read."""

    def changes(self) -> AsyncIterator[str]:
        """The uid of each Pod one of whose containers started or ended, as it happens."""
        ...


@dataclass(frozen=True)
class Result:
    """What a reconcile wants next: nothing, or to be called again after so many seconds."""

    after: float | None = None


class Terminal(Exception):
    """Retrying cannot help; the manager logs it and waits for the object to change."""


Mapper = Callable[[Object], Iterable[Key]]


@dataclass(frozen=True)
class Watch:
    """A kind (None for every kind), and which keys a change of one of its objects wakes.

    `regards` says what of an object the controller looks at: a change of nothing else wakes nobody.
    """

    kind: Kind | None
    keys: Mapper
    regards: Callable[[Object], Hashable] | None = None


class Controller(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> tuple[Watch, ...]: ...

    async def reconcile(self, key: Key) -> Result | None: ...
