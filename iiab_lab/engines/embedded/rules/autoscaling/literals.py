"""Go's spelling of numbers, booleans and durations ⇄ Python values, with the words Go refuses the others with.

Annotations and ConfigMaps hold what strconv and time.ParseDuration read. One difference: NaN and infinity, which Go takes
for numbers and no arithmetic here can use, are refused.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

Seconds = float
"""A span of time; a Go duration where it stands in a setting."""

INT32 = 2**31 - 1
# From this power of ten on Go writes a float with an exponent.
_EXPONENT = 6
_FLOAT = re.compile(r"[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+)?", re.ASCII)
_INT = re.compile(r"[+-]?\d+", re.ASCII)
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


class OutOfRange(ValueError):
    """A number, but more than its type holds."""


def boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise _unread("ParseBool", text)
    return _BOOLEANS[text]


def integer(text: str, most: int = INT32) -> int:
    if not _INT.fullmatch(text):
        raise _unread("ParseInt", text)
    value = int(text)
    if not -most - 1 <= value <= most:
        raise OutOfRange(f"strconv.ParseInt: parsing {_quoted(text)}: value out of range")
    return value


def number(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise _unread("ParseFloat", text)
    value = float(text)
    if math.isinf(value):
        raise OutOfRange(f"strconv.ParseFloat: parsing {_quoted(text)}: value out of range")
    return value


def duration(text: str) -> Seconds:
    sign, rest = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if rest == "0":
        return 0.0
    total, at = 0, 0
    while at < len(rest):
        if not (part := _PART.match(rest, at)) or float(part[1]) >= 2**63:
            break
        total += _nanoseconds(part[1], part[2], text)
        at = part.end()
    if not rest or at < len(rest) or total >= 2**63:
        raise ValueError(f"time: invalid duration {_quoted(text)}")
    return (-total if sign == "-" else total) / 10**9


def duration_text(seconds: Seconds) -> str:
    """`1h0m0s`, `1.5s`, `100ms`: as Go prints a duration."""
    left = round(abs(seconds) * 10**9)
    sign = "-" if seconds < 0 else ""
    if left == 0:
        return "0s"
    if left < 10**9:
        unit = next(unit for unit in ("ms", "µs", "ns") if left >= _NANOSECONDS[unit])
        return f"{sign}{_decimal(left, _NANOSECONDS[unit])}{unit}"
    minutes, left = divmod(left, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{shown}{_decimal(left, 10**9)}s"


def number_text(value: float) -> str:
    """`100`, `0.01`, `1e+06`: as Go prints a float64."""
    shortest = Decimal(repr(value)).normalize()
    if -4 <= shortest.adjusted() < _EXPONENT:
        return f"{shortest:f}"
    mantissa, _, power = f"{shortest:e}".partition("e")
    return f"{mantissa}e{int(power):+03d}"


def _nanoseconds(amount: str, unit: str, text: str) -> int:
    if not unit:
        raise ValueError(f"time: missing unit in duration {_quoted(text)}")
    if unit not in _NANOSECONDS:
        raise ValueError(f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
    whole, _, part = amount.partition(".")
    scale = _NANOSECONDS[unit]
    return int(whole or 0) * scale + int(part or 0) * scale // int(10 ** len(part))


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    digits = f"{part:0{len(str(unit)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


def _unread(reader: str, text: str) -> ValueError:
    return ValueError(f"strconv.{reader}: parsing {_quoted(text)}: invalid syntax")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
