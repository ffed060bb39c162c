"""The name that a template gives its revision → what upstream's webhook refuses of it, and whether it is taken.

Source: knative/serving, pkg/apis/serving/v1/revision_validation.go and `CheckNameAvailability` of its controllers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ..objects.meta import Object, controller_of, labels_of
from . import knative_targets
from .knative_targets import Problem

GENERATION = "serving.knative.dev/configurationGeneration"
_PATH = "spec.template.metadata.name"


def name(template: Object) -> str:
    return str((template.get("metadata") or {}).get("name") or "")


def problems(parent: str, template: Object, before: Object | None) -> Iterator[Problem]:
    """`before` is the template that an update replaces: another revision is called otherwise."""
    if not (given := name(template)):
        return
    if wrong := knative_targets.no_label(given):
        yield _PATH, f"invalid value: not a DNS 1035 label: [{wrong}]"
    elif not given.startswith(f"{parent}-"):
        yield _PATH, f'invalid value: "{given}" must have prefix "{parent}-"'
    if before and name(before) == given and (changes := list(_changes(before, template, ""))):
        yield "\n".join((_PATH, *changes)), "Saw the following changes without a name change (-old +new)"


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path}:\n\t-: {orjson.dumps(old).decode()}\n\t+: {orjson.dumps(new).decode()}"


def is_taken(wanted: Object, found: Object | None) -> bool:
    """Whether the name belongs to a Revision of somebody else, or to one that is not what is wanted; both are Revisions."""
    if found is None:
        return False
    if (controller_of(found) or {}).get("uid") != (controller_of(wanted) or {}).get("uid"):
        return True
    return labels_of(found).get(GENERATION) != labels_of(wanted)[GENERATION] and not _holds(
        wanted["spec"], found["spec"]
    )


def _holds(wanted: Any, found: Any) -> bool:
    """Whether `found` says all that is wanted; what is stored has defaults besides."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_holds(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_holds, wanted, found))
    return bool(wanted == found)
