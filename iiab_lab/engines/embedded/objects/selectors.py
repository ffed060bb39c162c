"""Label selectors: the string form of kubectl and the structured form of the API, matched against labels."""

from __future__ import annotations

import re
from typing import Any

Labels = dict[str, str]
Requirement = tuple[str, str, tuple[str, ...]]

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")


def matches(selector: dict[str, Any] | None, labels: Labels) -> bool:
    """A metav1.LabelSelector: matchLabels and matchExpressions, AND-ed. None matches nothing, {} everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(k) == v for k, v in wanted.items()) and all(
        _holds((e["key"], e["operator"].lower(), tuple(e.get("values") or ())), labels) for e in expressions
    )


def parse(text: str) -> list[Requirement]:
    """`a=b,c!=d,e in (f,g),h,!i` → requirements; raises ValueError on what is none of these."""
    return [_requirement(part) for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def holds(requirements: list[Requirement], labels: Labels) -> bool:
    return all(_holds(requirement, labels) for requirement in requirements)


def _requirement(part: str) -> Requirement:
    if found := _SET.match(part):
        return found[1], found[2], tuple(value.strip() for value in found[3].split(","))
    for sign, operator in (("!=", "notin"), ("==", "in"), ("=", "in")):
        if sign in part:
            key, value = part.split(sign, 1)
            return key.strip(), operator, (value.strip(),)
    part = part.strip()
    if " " in part:
        raise ValueError(f"unable to parse requirement: {part!r}")
    return (part[1:].strip(), "doesnotexist", ()) if part.startswith("!") else (part, "exists", ())


def _holds(requirement: Requirement, labels: Labels) -> bool:
    key, operator, values = requirement
    if operator == "in":
        return labels.get(key) in values if key in labels else False
    if operator == "notin":
        return labels.get(key) not in values
    return (key in labels) == (operator == "exists")
