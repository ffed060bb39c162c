"""A plan as words on a command line → phases: `warm=constant:20:10s,ramp:20-200:30s,closed:8:1m`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from ...errors import UsageError
from .phases import Phase

_PART = re.compile(r"(?:(?P<name>[\w-]+)=)?(?P<shape>[a-z]+):(?P<what>[^:]+):(?P<length>[^:]+)")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_WHAT = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?)s?)?)?")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

# shape → (how it is written, how many numbers it needs, numbers and seconds → Phase)
_Build = Callable[[str, float, list[float]], Phase]
_SHAPES: dict[str, tuple[str, range, _Build]] = {
    "constant": ("constant:RATE:SECONDS", range(1, 2), lambda name, s, n: Phase.constant(name, n[0], s)),
    "ramp": ("ramp:FROM-TO:SECONDS", range(2, 3), lambda name, s, n: Phase.ramp(name, n[0], n[1], s)),
    "step": (
        "step:FROM-TO[/STEPS]:SECONDS",
        range(2, 4),
        lambda name, s, n: Phase.step(name, n[0], n[1], s, *map(int, n[2:])),
    ),
    "spike": (
        "spike:BASE-PEAK[/WIDTH]:SECONDS",
        range(2, 4),
        lambda name, s, n: Phase.spike(name, n[0], n[1], s, *n[2:]),
    ),
    "sine": ("sine:LOW-HIGH[/PERIOD]:SECONDS", range(2, 4), lambda name, s, n: Phase.sine(name, n[0], n[1], s, *n[2:])),
    "closed": ("closed:USERS:SECONDS", range(1, 2), lambda name, s, n: Phase.closed(name, int(n[0]), s)),
}
FORMS = tuple(form for form, _, _ in _SHAPES.values())


def plan(said: str | Phase | Sequence[Phase]) -> list[Phase]:
    """Text, one phase or several → phases whose names differ. Raises UsageError that shows the right form."""
    if isinstance(said, str):
        found = [_phase(part.strip()) for part in said.split(",")]
    else:
        found = [said] if isinstance(said, Phase) else list(said)
    if not found:
        raise UsageError("A plan without a phase sends nothing.", "constant:50:10s, for instance")
    return _told_apart(found)


def seconds(text: str) -> float:
    """`90`, `90s`, `1.5m`, `500ms` → seconds."""
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is no length of time.", "write 30s, 1.5m or 500ms")
    return float(found[1]) * _UNITS[found[2] or "s"]


def _phase(part: str) -> Phase:
    found = _PART.fullmatch(part)
    if not found or found["shape"] not in _SHAPES:
        raise UsageError(f"{part!r} is no phase of a plan.", "write, parted by commas: " + ", ".join(FORMS))
    form, counts, build = _SHAPES[found["shape"]]
    said = _WHAT.fullmatch(found["what"])
    numbers = [float(number) for number in said.groups() if number is not None] if said else []
    if len(numbers) not in counts:
        raise UsageError(f"{part!r}: {found['what']!r} does not fit a {found['shape']}.", f"write {form}")
    return build(found["name"] or found["shape"], seconds(found["length"]), numbers)


def _told_apart(phases: list[Phase]) -> list[Phase]:
    found: dict[str, Phase] = {}
    for phase in phases:
        names = (phase.name if number == 1 else f"{phase.name}-{number}" for number in count(1))
        name = next(name for name in names if name not in found)
        found[name] = replace(phase, name=name)
    return list(found.values())
