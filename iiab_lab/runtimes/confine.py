"""What a model server needs → all it can reach from then on: its model, Python, a scratch folder; no network, no other process.

A pickle is code, and on one machine it runs as the user who owns the store, the CA and everybody's kubeconfig. So a server
gives up what it does not need before it loads a model: files by Landlock, the rest by a filter of system calls. The kernel
lets nothing of it be taken back. Landlock is used as its documentation recommends: as much as this kernel's ABI has.

Its own Pod's directory stays closed but for the scratch folder: the control plane writes there, and a link that a model
put in the place of a directory would lead its hand. The PyPI package `landlock` knows files alone, so here are the three
system calls themselves.
"""

from __future__ import annotations

import ctypes
import os
import site
import stat
import struct
import sys
import sysconfig
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Unsupported
from . import system_calls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_VERSION, _PATH_BENEATH, _NET_PORT = 1, 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL  # what a rule on a file, not a folder, may say
_READ = _READ_FILE | _READ_DIR
_USE = _READ_FILE | _WRITE_FILE
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_ABI_OF_PORTS = 4
_TCP, _CONNECT, _SCOPES = 0b11, 0b10, 0b11  # bind and connect; abstract unix sockets and signals

# Nothing here is of this platform. Programs cannot be started, but for one that is named: no other rule allows _EXECUTE.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types"),
    *("/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/sys/devices/system/cpu", "/sys/fs/cgroup"),
)
# What loads a binary's libraries is started with it.
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


@dataclass(frozen=True)
class Confinement:
    """What this machine's kernel offers."""

    landlock: int  # its ABI; 0: none
    filter: bool

    @property
    def holds(self) -> bool:
        """Whether code of somebody who is not trusted may be loaded: files need the one, sockets the other."""
        return self.landlock > 0 and self.filter

    def __str__(self) -> str:
        return f"Landlock ABI {self.landlock} and a filter of system calls" if self.holds else "none"


def available() -> Confinement:
    """Asked of the kernel, which changes nothing."""
    if sys.platform != "linux":
        return Confinement(0, filter=False)
    abi = ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return Confinement(max(0, abi), system_calls.supported())


def confine(
    reads: Iterable[Path],
    writes: Iterable[Path],
    *,
    runs: Collection[Path] = (),
    connects: Collection[int] | None = (),
) -> Confinement:
    """For ever. Where the kernel offers less than enough, nothing is done and the answer says so.

    `connects`: ports that may be connected to over TCP, which kernels before ABI 4 do not tell apart; None for any, and for
    listening besides. Without any there are no new sockets. `runs`: binaries that may be started in this one's place.
    Raises Unsupported where a thread runs already: it would stay outside.
    """
    offered = available()
    if not offered.holds:
        return offered
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise Unsupported(
            f"Confinement comes too late: {threads} threads run.", "call confine() before anything starts one"
        )
    rules = [(path, _READ) for path in (*map(Path, _SYSTEM), *_PYTHON, *reads)]
    rules += [(Path("/dev/null"), _USE), *((path, _WRITE) for path in writes)]
    rules += [(path, _READ | _EXECUTE) for path in (*runs, *(map(Path, _LOADERS) if runs else ()))]
    ruleset = _ruleset(offered.landlock, tcp=connects is not None)
    try:
        for path, access in rules:
            _allow(ruleset, path, access & _files(offered.landlock))
        for port in (connects or ()) if offered.landlock >= _ABI_OF_PORTS else ():
            _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT, port), 0)
        system_calls.no_new_privileges()
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    system_calls.refuse(tcp=connects is None or bool(connects))
    return offered


def _python() -> Iterable[Path]:
    """The installation and this package, never the folder that holds it: a clone may hold a home too."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {Path(sysconfig.get_path(name)) for name in names} | {
        Path(sys.base_prefix) / "lib",
        Path(site.getusersitepackages()),
        *(Path(folder) for folder in sys.path if folder.endswith("-packages")),  # an environment may borrow another's
    }
    return sorted(found | {Path(__file__).resolve().parents[1]})


_PYTHON = tuple(_python())  # found once, before a fork


def _files(abi: int) -> int:
    """Every access to files that this ABI knows; all are handled, so what no rule allows is refused."""
    bits = 13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16
    return (1 << bits) - 1


def _ruleset(abi: int, *, tcp: bool = True) -> int:
    fields = [_files(abi), *([_TCP if tcp else 0] if abi >= _ABI_OF_PORTS else []), *([_SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(found).st_mode):
            access &= _OF_FILES
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, found), 0)
    finally:
        os.close(found)


def _call(number: int, *arguments: Any) -> int:
    answer: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if answer < 0:
        raise Unsupported(
            f"Landlock refused call {number}: {os.strerror(ctypes.get_errno())}.", "report it with the kernel's release"
        )
    return answer
