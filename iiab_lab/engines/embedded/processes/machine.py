"""The `Processes` port on this machine: a Pod is a directory and a few processes.

<home>/pods/<uid>/{root/, tmp/, volumes/, ports.json}  what it sees
<home>/volumes/<namespace>/<claim>/                    what outlives it
<home>/logs/<namespace>_<pod>_<uid>/<container>/<attempt>.log
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ....runtimes import confined
from ....runtimes.confined import Own
from ..objects.kinds import Key
from ..objects.names import SIDECAR
from ..objects.sandbox import Container, Sandbox, State, Usage
from ..rules import service_names
from ..rules.pod_volumes import expand
from . import images, log_files, mounts, probes
from .drain import drained
from .images import Network
from .memory_limits import Limited, MemoryLimits
from .port_pool import PortPool
from .proxy import FileProxy
from .rundir import admin_socket, app_socket
from .supervisor import Command, Supervisor
from .usage import Meter, Running

_TAIL = 2000


@dataclass
class _Pod:
    sandbox: Sandbox
    folder: Path
    ports: dict[int, int]


class Machine:
    def __init__(self, home: Path, run: Path, host_ports: Mapping[int, int], proxies: FileProxy) -> None:
        self._home, self._run, self._proxies = home, run, proxies
        self._ports = PortPool(home, host_ports)
        self._pods: dict[str, _Pod] = {}
        self._states: dict[tuple[str, str], State] = {}
        self._ended: dict[tuple[str, str], asyncio.Event] = {}
        self._memory: dict[tuple[str, str], int] = {}  # the limit of each container that has one
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self.supervisor = Supervisor(home, self._on_end)
        self.meter = Meter(self._running)
        self.memory_limits = MemoryLimits(self._limited)

    def keep_warm(self) -> None:
        """The warm parents of the images; from then on their programs start in milliseconds."""
        folder, log = self._home / "warm", self._home / "logs" / "warm" / "parent" / "0.log"
        for place in (folder, log.parent):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, parent in images.warm_parents().items():
            self.supervisor.keep_warm(name, Command(parent.argv, _basics(folder), folder, log), parent.most)

    async def watch(self) -> None:
        """What containers use, and whether it is more than they may; until cancelled."""
        await asyncio.gather(self.meter.keep(), self.memory_limits.keep())

    async def prepare(self, sandbox: Sandbox) -> Mapping[int, int]:
        folder = self._home / "pods" / sandbox.uid
        for place in (folder, folder / "tmp"):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        claims = self._home / "volumes" / sandbox.key.namespace
        await asyncio.to_thread(mounts.lay_out, folder, sandbox.mounts, claims, self._home)
        ports = self._ports.take(folder, sandbox.uid, sandbox.ports)
        self._pods[sandbox.uid] = _Pod(sandbox, folder, ports)
        return ports

    async def start(self, sandbox: Sandbox, container: Container) -> None:
        running = self.state(sandbox.uid, container.name)
        if running and running.attempt == container.attempt:
            return
        program = images.program(container.image)
        pod = self._pods[sandbox.uid]
        log = self.log_path(sandbox.key, sandbox.uid, container.name, container.attempt)
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment, folder = self._environment(pod, container), pod.folder
        arguments = tuple(self._rewritten(pod, expand(word, environment)) for word in container.args)
        if program.proxy:
            # It alone is not confined: nothing of whoever wrote the Pod goes into it, its variables as little as its arguments.
            arguments, folder = self._proxies.prepare(sandbox.key, pod.ports, log)
            environment = _basics(pod.folder)
        argv = (*program.argv, *arguments)
        if pod.sandbox.confined and not program.proxy:
            argv, environment = self._confined(pod, container, program.network, argv, environment)
        command = Command(argv, environment, folder, log, program.warm)
        key = (sandbox.uid, container.name)
        self._ended[key], self._memory[key] = asyncio.Event(), container.memory
        pid = await self.supervisor.start(_id(*key, container.attempt), command)
        if self._states.get(key, State(-1, 0, 0)).attempt < container.attempt:  # it may have ended already
            self._states[key] = State(container.attempt, pid, time.time())
        self._changed.put_nowait(sandbox.uid)

    async def stop(self, uid: str, container: str = "", grace: float = 30.0) -> None:
        names = [name for owner, name in self._states if owner == uid and container in ("", name)]
        began = time.monotonic()
        if not container and grace and self._serves(uid):
            await drained(admin_socket(self._run, self._pods[uid].sandbox.key), grace)
            grace = max(0.0, grace - (time.monotonic() - began))
        # The proxy goes last: what the application still sends or answers passes through it.
        for wave in ([n for n in names if n != SIDECAR], [n for n in names if n == SIDECAR]):
            await asyncio.gather(*(self._stop(uid, name, grace) for name in wave))
        if not container:
            self._remove(uid)

    def state(self, uid: str, container: str) -> State | None:
        return self._states.get((uid, container))

    async def probe(self, uid: str, container: str, probe: Mapping[str, Any]) -> str:
        pod = self._pods[uid]
        port = int((probe.get("httpGet") or probe["tcpSocket"])["port"])
        if pod.sandbox.meshed and container != SIDECAR:
            return await probes.run(probe, app_socket(self._run, pod.sandbox.key, port))
        return await probes.run(probe, pod.ports.get(port, port))

    async def changes(self) -> AsyncIterator[str]:
        while True:
            yield await self._changed.get()

    async def forget(self, namespace: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._home / "volumes" / namespace, ignore_errors=True)
        log_files.forget(self._home / "logs", namespace)

    def usage(self, uid: str) -> Mapping[str, Usage]:
        return self.meter.usage(uid)

    async def dial(self, pod: Key, uid: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the application behind a containerPort, past its sidecar; raises OSError where none listens."""
        known = self._pods.get(uid)
        if known is None:
            raise OSError(f"the Pod {pod} does not run here")
        socket = app_socket(self._run, pod, port)
        if known.sandbox.meshed and socket.exists():
            return await asyncio.open_unix_connection(socket)
        return await asyncio.open_connection("127.0.0.1", known.ports.get(port, port))

    def log_path(self, pod: Key, uid: str, container: str, attempt: int) -> Path:
        return self._home / "logs" / f"{pod.namespace}_{pod.name}_{uid}" / container / f"{attempt}.log"

    def _serves(self, uid: str) -> bool:
        """Behind a proxy, with every container alive: then requests may be under way."""
        pod = self._pods.get(uid)
        states = [state for (owner, _), state in self._states.items() if owner == uid]
        return bool(pod and pod.sandbox.meshed) and sum(state.exit_code is None for state in states) > 1

    def _running(self) -> list[Running]:
        return [
            Running(uid, name, state.pid, state.started)
            for (uid, name), state in self._states.items()
            if state.exit_code is None
        ]

    def _limited(self) -> list[Limited]:
        return [
            Limited(_id(*key, state.attempt), state.pid, self._memory[key])
            for key, state in self._states.items()
            if state.exit_code is None and state.pid and self._memory.get(key)
        ]

    def _rewritten(self, pod: _Pod, text: str) -> str:
        return mounts.rewrite(text, pod.folder, {mount.path for mount in pod.sandbox.mounts})

    def _environment(self, pod: _Pod, container: Container) -> dict[str, str]:
        made = _basics(pod.folder) | {name: self._rewritten(pod, value) for name, value in container.env.items()}
        for port, own in pod.ports.items():
            if pod.sandbox.meshed:
                made[f"IIAB_SOCKET_{port}"] = str(app_socket(self._run, pod.sandbox.key, port))
            else:
                made[f"IIAB_PORT_{port}"] = str(own)
        return made

    def _confined(
        self, pod: _Pod, container: Container, network: Network, argv: tuple[str, ...], environment: dict[str, str]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        claims = self._home / "volumes" / pod.sandbox.key.namespace
        reads, writes = mounts.reached(pod.folder, pod.sandbox.mounts, claims, self._home)
        listens = tuple(port for port in container.ports if port in pod.ports)
        own = Own(environment, reads, writes, listens, _connects(network, environment))
        return (sys.executable, "-m", confined.MODULE, *argv), _basics(pod.folder) | own.words()

    async def _stop(self, uid: str, name: str, grace: float) -> None:
        state = self._states[uid, name]
        if state.exit_code is not None:
            return
        id, ended = _id(uid, name, state.attempt), self._ended[uid, name]
        self.supervisor.signal(id, signal.SIGTERM)
        try:
            await asyncio.wait_for(ended.wait(), grace)
        except TimeoutError:
            self.supervisor.signal(id, signal.SIGKILL)
            await ended.wait()

    def _on_end(self, id: str, code: int, number: int) -> None:
        uid, name, attempt = id.split("|")
        pod = self._pods.get(uid)
        before = self._states.get((uid, name))
        if before is None or before.attempt < int(attempt):
            before = State(int(attempt), 0, time.time())
        message = _tail(self.log_path(pod.sandbox.key, uid, name, int(attempt))) if code and pod else ""
        reason = "OOMKilled" if id in self.memory_limits.killed and number == signal.SIGKILL else ""
        self.memory_limits.killed.discard(id)
        ended = replace(before, exit_code=code, signal=number, finished=time.time(), reason=reason, message=message)
        self._states[uid, name] = ended
        self._ended[uid, name].set()
        self._changed.put_nowait(uid)

    def _remove(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        self._ports.release(uid)
        self._proxies.remove(pod.sandbox.key)
        for port in pod.ports:
            app_socket(self._run, pod.sandbox.key, port).unlink(missing_ok=True)
        shutil.rmtree(pod.folder, ignore_errors=True)
        for key in [key for key in self._states if key[0] == uid]:
            del self._states[key]
            del self._ended[key]
            self._memory.pop(key, None)


def _connects(network: Network, environment: Mapping[str, str]) -> tuple[int, ...] | None:
    hosts = environment.get(service_names.HOSTS, "") if network == Network.HOSTS else ""
    return None if network == Network.ANY else tuple(int(pair.rpartition(":")[2]) for pair in hosts.split(",") if pair)


def _id(uid: str, container: str, attempt: int) -> str:
    return f"{uid}|{container}|{attempt}"


def _basics(folder: Path) -> dict[str, str]:
    """Nothing of the control plane's own environment but what every program needs."""
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),  # a container's /tmp is its own
        "PYTHONUNBUFFERED": "1",
        # One prediction is small: threads of a numeric library only take the cores from the other processes.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
