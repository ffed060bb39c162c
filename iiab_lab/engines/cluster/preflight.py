"""This machine, and the cluster if there is one → findings: may the platform be made here? `iiab doctor --engine cluster`.

The numbers: kind's and Kubeflow's users run out of inotify instances, of memory and of anonymous pulls first.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...assets import folder
from ...findings import Finding
from .. import ports
from . import lock, tools
from .where import Where

_MEMORY_GIB, _CPUS, _DISK_GIB = 10, 4, 30
_INSTANCES, _WATCHES = 1280, 655_360
_PULLS = 100  # per six hours and address, without an account
_HUB = "index.docker.io"


def examine(where: Where) -> Iterator[Finding]:
    """The first that is not ok stands in the way; what asks Docker comes after Docker itself."""
    locked = lock.read()
    yield _architecture()
    for name in ("docker", "kind", "helm", "kubectl") if where.on == "kind" else ("docker", "helm", "kubectl"):
        yield _tool(name, locked.tools[name])
    yield _checkout()
    if where.on == "context":
        yield _server(where, locked.kubernetes)
        return
    yield from _machine()
    for name, port in where.ports.items():
        yield _port(name, port)
    yield _pulls()


def _architecture() -> Finding:
    seen = platform.machine()
    return Finding(
        "architecture", seen in ("x86_64", "aarch64", "arm64", "AMD64"), seen, "x86-64 or arm64", "use another machine"
    )


def _tool(name: str, needed: str) -> Finding:
    if shutil.which(name) is None:
        return Finding(name, False, "missing", f"{needed} or newer", tools.CURES[name])
    seen = _version(name)
    if not seen and name == "docker":
        return Finding(
            name,
            False,
            "installed, but its daemon does not answer",
            f"{needed} or newer",
            "start Docker, then: docker info",
        )
    ok = bool(seen) and _numbers(seen) >= _numbers(needed)
    return Finding(name, ok, seen or "no version", f"{needed} or newer", tools.CURES[name])


def _version(name: str) -> str:
    said = {
        "docker": lambda: tools.ask("docker", "version", "--format", "{{.Server.Version}}"),
        "kind": lambda: tools.ask("kind", "version"),
        "helm": lambda: tools.ask("helm", "version", "--short"),
        "kubectl": lambda: tools.ask("kubectl", "version", "--client", "-o", "json"),
    }[name]()
    found = re.search(r"\d+\.\d+(?:\.\d+)?", said)
    return found[0] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _checkout() -> Finding:
    """The lab's images are built from its source; an installed wheel has none."""
    ok = (folder("manifests").parent / "pyproject.toml").exists()
    return Finding(
        "source",
        ok,
        "a checkout" if ok else "an installed package",
        "a checkout",
        "git clone the lab, and run iiab from there",
    )


def _server(where: Where, needed: tuple[str, str]) -> Finding:
    said = tools.ask("kubectl", "--context", where.context, "version", "-o", "json")
    seen = ""
    with contextlib.suppress(ValueError, KeyError):
        version = json.loads(said)["serverVersion"]
        seen = f"{version['major']}.{re.sub(r'[^0-9]', '', version['minor'])}"
    ok = bool(seen) and _numbers(needed[0]) <= _numbers(seen) <= _numbers(needed[1])
    cure = f"choose a cluster of these versions; look at: kubectl --context {where.context} version"
    return Finding("kubernetes", ok, seen or "no answer", f"{needed[0]}–{needed[1]}", cure)


def _machine() -> Iterator[Finding]:
    info: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        info = json.loads(tools.ask("docker", "info", "--format", "{{json .}}"))
    memory, cpus = info.get("MemTotal", 0) / 2**30, info.get("NCPU", 0)
    give = "give Docker more (Docker Desktop: Settings, Resources), or use the embedded engine: iiab up"
    yield Finding("memory", memory >= _MEMORY_GIB, f"{memory:.1f} GiB for Docker", f"{_MEMORY_GIB} GiB", give)
    yield Finding("cpus", cpus >= _CPUS, f"{cpus} for Docker", str(_CPUS), give)
    root = Path(info.get("DockerRootDir", "/"))
    where = next((path for path in (root, *root.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(where).free / 2**30
    yield Finding(
        "disk", free >= _DISK_GIB, f"{free:.0f} GiB free at {where}", f"{_DISK_GIB} GiB", "free some: docker system df"
    )
    yield _inotify("max_user_instances", _INSTANCES)
    yield _inotify("max_user_watches", _WATCHES)


def _inotify(name: str, needed: int) -> Finding:
    file = Path("/proc/sys/fs/inotify") / name
    if not file.exists():
        return Finding(name, True, "not used here", "on Linux alone")
    seen = int(file.read_text())
    return Finding(name, seen >= needed, str(seen), str(needed), f"sudo sysctl fs.inotify.{name}={needed}")


def _port(name: str, port: int) -> Finding:
    free = ports.is_free(port)
    seen = "free" if free else f"taken by {ports.owner(port)}"
    return Finding(
        f"port {port}", free, seen, "free", f"stop it, or move ours: iiab up --engine cluster --ports {name}=PORT"
    )


def _pulls() -> Finding:
    """Never in the way: a first installation stays below the limit, a classroom behind one address does not."""
    account = _HUB in _docker_config().read_text() if _docker_config().is_file() else False
    seen = "with an account" if account else f"without an account: {_PULLS} pulls per 6 h and address"
    return Finding(
        "pulls",
        True,
        seen,
        "an account for a classroom",
        "docker login, or ahead of time: iiab up --engine cluster --preload",
    )


def _docker_config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
