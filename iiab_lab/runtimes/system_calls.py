"""A list of system calls → a seccomp filter that refuses them with EPERM, for this process and all it starts, for ever.

What it closes is what Landlock does not see: unix sockets by path (the proxies' and other Pods'), UDP, signals before
ABI 6, and the metadata of files (a chmod is not an access). The server has its listening socket by then and needs no other.
libseccomp would write the same program; it is not everywhere, and the program is one comparison a call.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable

from ..errors import Unsupported

# name → its number on (x86_64, aarch64); None where that machine has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Sockets: everything that would lead to another process.
    "socket": (41, 198),
    "connect": (42, 203),
    "io_uring_setup": (425, 425),  # it would do all of this past the filter
    # Other processes.
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "setsid": (112, 157),  # whoever leaves the session is not counted for its memory limit
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    # Metadata of files, by path and by descriptor; and truncation, which Landlock sees from ABI 3 on.
    "truncate": (76, 45),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    # The world itself, where the platform runs as root.
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
}
# In place of the first: a socket of another kind than TCP's; whom it connects to is Landlock's matter.
_SOCKETS = ("socket", "connect")
_INTERNET, _STREAM, _KIND = (2, 10), 1, 0xF  # AF_INET and AF_INET6, SOCK_STREAM without its flags
# Calls whose first argument is a process: allowed for itself. abort() and raise() come here, getrlimit too.
_ITSELF = {"tgkill": (234, 131), "prlimit64": (302, 261)}

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH_…
_X32 = 0x40000000  # the other numbering of an x86-64 kernel
_LOAD, _EQUAL, _AT_LEAST, _RETURN, _AND = 0x20, 0x15, 0x35, 0x06, 0x54
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in seccomp_data, of a little-endian machine
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # the second: errno EPERM
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def supported() -> bool:
    return sys.platform == "linux" and platform.machine() in _MACHINES


def refuse(*, tcp: bool = False) -> None:
    """`tcp`: sockets of that kind may be made. Needs no right, because what is given up cannot be had again; raises Unsupported where the kernel has no filters."""
    code = b"".join(struct.pack("HBBI", *one) for one in _program(*_MACHINES[platform.machine()], tcp=tcp))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HP", len(code) // 8, ctypes.addressof(buffer)))
    _control(_SET_NO_NEW_PRIVS, 1, 0)
    _control(_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))


def no_new_privileges() -> None:
    _control(_SET_NO_NEW_PRIVS, 1, 0)


def _control(*arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*(ctypes.c_ulong(argument) for argument in (*arguments, 0, 0))):
        number = ctypes.get_errno()
        raise Unsupported(
            f"The kernel refuses to confine this process: {os.strerror(number)}.",
            "see whether a container forbids prctl",
        )


def _program(column: int, architecture: int, *, tcp: bool = False) -> Iterable[Instruction]:
    """Compares the number with each; jumps are counted in instructions to skip."""
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, architecture)
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    if column == 0:
        yield (_AT_LEAST, 0, 1, _X32)
        yield (_RETURN, 0, 0, _REFUSE)
    if tcp:
        yield from _only_tcp(_REFUSED["socket"][column] or 0)
    for name, numbers in _REFUSED.items():
        if numbers[column] is not None and not (tcp and name in _SOCKETS):
            yield (_EQUAL, 0, 1, numbers[column] or 0)
            yield (_RETURN, 0, 0, _REFUSE)
    for numbers in _ITSELF.values():
        yield (_EQUAL, 0, 5, numbers[column] or 0)
        yield (_LOAD, 0, 0, _FIRST)
        yield (_EQUAL, 2, 0, os.getpid())
        yield (_EQUAL, 1, 0, 0)
        yield (_RETURN, 0, 0, _REFUSE)
        yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _ALLOW)


def _only_tcp(number: int) -> Iterable[Instruction]:
    yield (_EQUAL, 0, 9, number)
    yield (_LOAD, 0, 0, _FIRST)
    yield (_EQUAL, 2, 0, _INTERNET[0])
    yield (_EQUAL, 1, 0, _INTERNET[1])
    yield (_RETURN, 0, 0, _REFUSE)
    yield (_LOAD, 0, 0, _SECOND)
    yield (_AND, 0, 0, _KIND)
    yield (_EQUAL, 0, 1, _STREAM)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _REFUSE)
