"""Label selectors: the string form of kubectl and the structured form of the API, matched against labels."""

from __future__ import annotations

import re
from typing import Any

Labels = dict[str, str]
Requirement = tuple[str, str, tuple[str, ...]]

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY = rf"(?P<key>(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?{_NAME})"
_VALUE = rf"(?:{_NAME})?"
_FORMS = (
    (re.compile(rf"{_KEY}\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})"), {"=": "in", "==": "in", "!=": "notin"}),
    (re.compile(rf"{_KEY}\s*(?P<sign>[<>])\s*(?P<value>-?\d+)"), {"<": "lt", ">": "gt"}),
    (re.compile(rf"{_KEY}\s+(?P<sign>in|notin)\s*\((?P<value>[^()]*)\)"), {"in": "in", "notin": "notin"}),
    (re.compile(rf"(?P<sign>!)\s*{_KEY}(?P<value>)"), {"!": "doesnotexist"}),
    (re.compile(rf"{_KEY}(?P<sign>)(?P<value>)"), {"": "exists"}),
)
_FIELD = re.compile(r"\s*([^=!\s]+?)\s*(==|=|!=)\s*(.*?)\s*")


def matches(selector: dict[str, Any] | None, labels: Labels) -> bool:
    """A metav1.LabelSelector: matchLabels and matchExpressions, AND-ed. None matches nothing, {} everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(k) == v for k, v in wanted.items()) and all(
        _holds((e["key"], e["operator"].lower(), tuple(e.get("values") or ())), labels) for e in expressions
    )


def written(selector: dict[str, Any] | None) -> str:
    """A metav1.LabelSelector in its string form."""
    signs = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}
    labels = ((selector or {}).get("matchLabels") or {}).items()
    found = [(key, f"{key}={value}") for key, value in labels] + [
        (e["key"], signs[e["operator"]].format(e["key"], ",".join(sorted(e.get("values") or ()))))
        for e in (selector or {}).get("matchExpressions") or ()
    ]
    return ",".join(text for _, text in sorted(found))


def parse(text: str) -> list[Requirement]:
    """`a=b,c!=d,e in (f,g),h,!i` → requirements; raises ValueError on what is none of these."""
    return [_requirement(part) for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def holds(requirements: list[Requirement], labels: Labels) -> bool:
    return all(_holds(requirement, labels) for requirement in requirements)


def parse_fields(text: str) -> list[Requirement]:
    """`metadata.name=x,type!=Warning` → requirements; raises ValueError on what is none of these."""
    made: list[Requirement] = []
    for part in filter(None, re.split(r"(?<!\\),", text)):
        found = _FIELD.fullmatch(part)
        if not found:
            raise ValueError(f"invalid selector: {text!r}; can't understand {part!r}")
        value = re.sub(r"\\([\\,=])", r"\1", found[3])
        made.append((found[1], "notin" if found[2] == "!=" else "in", (value,)))
    return made


def _requirement(part: str) -> Requirement:
    for pattern, operators in _FORMS:
        if found := pattern.fullmatch(part.strip()):
            values = tuple(value.strip() for value in found["value"].split(","))
            if not all(re.fullmatch(r"-?" + _VALUE, value) and len(value) <= 63 for value in values):
                break
            operator = operators[found["sign"]]
            return found["key"], operator, () if operator in ("exists", "doesnotexist") else values
    raise ValueError(f"unable to parse requirement: {part!r}")


def _holds(requirement: Requirement, labels: Labels) -> bool:
    key, operator, values = requirement
    if operator == "in":
        return labels.get(key) in values if key in labels else False
    if operator == "notin":
        return labels.get(key) not in values
    if operator in ("gt", "lt"):
        held = labels.get(key, "")
        if not re.fullmatch(r"-?\d+", held):
            return False
        return int(held) > int(values[0]) if operator == "gt" else int(held) < int(values[0])
    return (key in labels) == (operator == "exists")
