"""Templates → HTML; what they may use beside what a page gives them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
STATIC = HERE / "static"


def render(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"ui": "/ui", "asset": _asset}
    made.filters |= {"ago": ago, "figure": figure, "memory": memory, "moment": moment}
    return made


@cache
def _asset(name: str) -> str:
    """A static file's address, which changes with its contents: browsers may keep it for ever."""
    return f"/ui/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def ago(stamp: str) -> str:
    """RFC 3339 → how long ago, or how long until; "never" for none."""
    if not stamp:
        return "never"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
    size = abs(seconds)
    if size < 1:
        return "now"
    unit, length = next((u, n) for u, n in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)) if size >= n)
    text = f"{int(size // length)} {unit}"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def moment(stamp: str) -> str:
    """RFC 3339 → as it is read aloud, in UTC."""
    return datetime.fromisoformat(stamp).strftime("%-d %b %Y, %H:%M:%S UTC") if stamp else ""


def memory(quantity: str) -> str:
    """Kubernetes' Ki → GiB; anything else as it stands."""
    return (
        f"{int(quantity[:-2]) / 2**20:.1f} GiB" if quantity[:-2].isdecimal() and quantity.endswith("Ki") else quantity
    )


def figure(value: float) -> str:
    """Three digits that matter: 0, 0.25, 12.3, 1,204."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
