"""Kubernetes quantities: `100m`, `1.5Gi`, `2e3` → exact numbers, and back to the shortest form of the same family.

Source: k8s.io/apimachinery's resource.Quantity.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(r"([+-]?(?:\d{1,20}\.?\d{0,9}|\.\d{1,9}))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,2}))?")


def parse(value: Any) -> Decimal:
    """Raises ValueError for what is no quantity."""
    found = _FORM.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if not found:
        raise ValueError(
            f"{value!r}: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, binary, decimal, exponent = found.groups()
    if binary:
        return Decimal(number) * 1024 ** _BINARY[binary]
    return Decimal(number) * Decimal(10) ** (int(exponent) if exponent else _DECIMAL[decimal or ""])


def text(value: Decimal, like: Any = "") -> str:
    """The canonical form; binary where `like` is, as memory is counted."""
    if str(like).endswith("i"):
        for suffix, power in reversed(_BINARY.items()):
            if value and value % 1024**power == 0:
                return f"{int(value / 1024**power)}{suffix}"
    for suffix in ("E", "P", "T", "G", "M", "k", "", "m", "u", "n"):
        scaled = value / Decimal(10) ** _DECIMAL[suffix]
        if (value and scaled == scaled.to_integral_value()) or (not value and not suffix):
            return f"{int(scaled)}{suffix}"
    return f"{int(value * 10**9)}n"
