"""Gateway API's durations (`1m30s`, `500ms`) → Envoy's, in seconds."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str) -> str:
    parts = re.findall(r"(\d+)(ms|h|m|s)", text)
    text = f"{sum(int(number) * _UNITS[unit] for number, unit in parts):.3f}"
    return text.rstrip("0").rstrip(".") + "s"
