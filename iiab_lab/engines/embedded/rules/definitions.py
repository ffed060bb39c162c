"""Names that a definition asks for, and those of its group that are taken → what is in conflict, in Kubernetes' words.

Plural, singular and short names are one set of words, kind and list kind another.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.meta import Object


def conflict(names: Object, taken: Iterable[Object]) -> tuple[str, str] | None:
    """(reason, message) of the last of them, or None where every name is free."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in map(completed, taken):
        resources |= {other["plural"], other["singular"], *(other.get("shortNames") or ())}
        kinds |= {other["kind"], other["listKind"]}
    own = completed(names)
    asked = (
        ("PluralConflict", [own["plural"]], resources),
        ("SingularConflict", [own["singular"]], resources),
        ("ShortNamesConflict", own.get("shortNames") or [], resources),
        ("KindConflict", [own["kind"]], kinds),
        ("ListKindConflict", [own["listKind"]], kinds),
    )
    found = [(reason, name) for reason, wanted, held in asked for name in wanted if name in held]
    return (found[-1][0], f'"{found[-1][1]}" is already in use') if found else None


def completed(names: Object) -> Object:
    """The same with Kubernetes' defaults."""
    kind = str(names.get("kind", ""))
    return {"singular": kind.lower(), "listKind": f"{kind}List"} | names
