"""A Pod as the machine that runs it sees it: what it mounts, which ports it wants, how each container fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .kinds import Key


@dataclass(frozen=True)
class Mount:
    """What stands at `path` (the container's mountPath) inside the Pod's root directory.

    Either `files` (relative name → content; ConfigMap, Secret, service account token), or `claim`
    (a PersistentVolumeClaim's name in the Pod's namespace), or `host` (a path of the node), or neither: an empty
    directory of the Pod.
    `volume` is the volume's name, `containers` who mounts it (several containers may share one volume).
    """

    volume: str
    path: str
    files: Mapping[str, bytes] | None = None
    claim: str = ""
    host: str = ""
    sub_path: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Sandbox:
    """A Pod as the machine sees it, before any container runs. `ports` are its containerPorts (0 hostPort: any)."""

    key: Key
    uid: str
    service_account: str
    meshed: bool  # a sidecar owns the Pod's address; the app listens on unix sockets
    confined: bool = False  # its programs reach what is the Pod's own, and nothing else of the machine
    ports: Mapping[int, int] = field(default_factory=dict)  # containerPort → wanted hostPort, or 0
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Container:
    """One container of a Pod, ready to run: the image names the program; args and env are as in the Pod's spec."""

    name: str
    image: str
    attempt: int
    ports: tuple[int, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    memory: int = 0  # bytes that it and all it starts may use together; 0: as many as there are


@dataclass(frozen=True)
class State:
    """Of the newest attempt of a container. `exit_code` is None while it runs; `signal` 0 unless killed by one."""

    attempt: int
    pid: int
    started: float
    exit_code: int | None = None
    signal: int = 0
    finished: float = 0.0
    message: str = ""  # the tail of the log, for a container that failed
    reason: str = ""  # OOMKilled where its memory limit ended it


class UnknownImage(Exception):
    """No program stands behind this image name; the message says which images exist."""


class StartFailed(Exception):
    """The machine refused to start the program; the message says why."""


@dataclass(frozen=True)
class Usage:
    """What a container and everything it started use: cores, over `window` seconds up to `timestamp`; bytes, then."""

    timestamp: float  # seconds since the epoch
    window: float
    cpu: float
    memory: int
