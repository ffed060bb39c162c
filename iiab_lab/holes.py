"""The front of a file that others append to → a hole: the bytes are gone from the disk, every offset behind them stays.

So a log is kept small without its writer knowing, and whoever follows it loses nothing and reads nothing twice.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)
BLOCK = 4096


def punch(descriptor: int, end: int) -> bool:
    """The bytes before `end` (a multiple of BLOCK) are gone → True; False where the system or its disk cannot."""
    if sys.platform != "linux":
        return False
    call = ctypes.CDLL(None, use_errno=True).fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return bool(call(descriptor, _KEEP_SIZE | _PUNCH_HOLE, 0, end) == 0)


def first_byte(descriptor: int, offset: int = 0) -> int:
    """Where the first byte at or behind `offset` stands that is no hole; the file's size where there is none."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return os.fstat(descriptor).st_size
        return offset  # a disk that knows no holes has none
