"""A Route's targets and the revisions they mean → what each of its names leads to, or why traffic cannot be assigned.

Source: knative/serving, pkg/reconciler/route/traffic. One bad target leaves all traffic as it was; of several, a failure tells
why rather than one that may still become ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..objects.conditions import find, is_true
from ..objects.kinds import CONFIGURATION, REVISION, Kind
from ..objects.meta import Object, labels_of
from ..objects.names import KN_SERVICE
from . import knative, knative_targets

Find = Callable[[Kind, str], Object | None]
"""(kind, name) in the Route's namespace → the object."""

_MISSING = "RevisionMissing"


class Assigned(NamedTuple):
    """`traffic` as status.traffic lists it; `splits`: tag ("" is the Route's own name) → revision → percent."""

    traffic: list[Object]
    splits: Mapping[str, Mapping[str, int]]


class Unassigned(NamedTuple):
    """Of the condition AllTrafficAssigned."""

    status: str
    reason: str
    message: str


class _Target(NamedTuple):
    revision: str
    tag: str
    percent: int
    latest: bool


def resolve(route: Object, find_one: Find) -> Assigned | Unassigned:
    targets, bad = [], None
    for target in knative_targets.completed(route["spec"].get("traffic") or ()):
        found = _target(route, target, find_one)
        if isinstance(found, _Target):
            targets.append(found)
        elif bad is None or found.status == "False":
            bad = found
    if bad:
        return bad
    meta = route["metadata"]
    listed = [_listed(target, meta["name"], meta["namespace"]) for target in _merged(targets)]
    tags = sorted({"", *(target.tag for target in targets)})
    return Assigned(listed, {tag: _split([t for t in targets if tag in ("", t.tag)]) for tag in tags})


def _target(route: Object, target: Object, find_one: Find) -> _Target | Unassigned:
    name = target.get("revisionName") or ""
    if not name:
        found = _latest_ready(target["configurationName"], find_one)
        if isinstance(found, Unassigned):
            return found
        name = found
    revision = find_one(REVISION, name)
    if revision is None:
        return Unassigned("False", _MISSING, f'Revision "{name}" referenced in traffic not found.')
    if target.get("revisionName") and (stranger := _stranger(route, revision)):
        return Unassigned("False", "RevisionNotOwned", stranger)
    if not is_true(revision, "Ready"):
        failed = (find(revision, "Ready") or {}).get("status") == "False"
        said = f'Revision "{name}" {"failed to become ready" if failed else "is not yet ready"}.'
        return Unassigned("False" if failed else "Unknown", _MISSING, said)
    return _Target(name, target.get("tag", ""), target["percent"], target["latestRevision"])


def _latest_ready(name: str, find_one: Find) -> str | Unassigned:
    configuration = find_one(CONFIGURATION, name)
    if configuration is None:
        return Unassigned("False", "ConfigurationMissing", f'Configuration "{name}" referenced in traffic not found.')
    if ready := (configuration.get("status") or {}).get("latestReadyRevisionName"):
        return str(ready)
    if (find(configuration, "Ready") or {}).get("status") == "False":
        return Unassigned("False", _MISSING, f'Configuration "{name}" does not have any ready Revision.')
    return Unassigned("Unknown", _MISSING, f'Configuration "{name}" is waiting for a Revision to become ready.')


def _stranger(route: Object, revision: Object) -> str:
    """A Service's Route leads to that Service's revisions alone; one that stands for itself, anywhere."""
    name, wanted, of = (
        revision["metadata"]["name"],
        labels_of(route).get(KN_SERVICE),
        labels_of(revision).get(KN_SERVICE),
    )
    if not wanted or wanted == of:
        return ""
    if not of:
        return f'Revision "{name}" does not belong to Service "{wanted}".'
    return f'Revision "{name}" belongs to Service "{of}", not Service "{wanted}".'


def _merged(targets: list[_Target]) -> list[_Target]:
    percents: dict[tuple[str, str, bool], int] = {}
    for target in targets:
        key = (target.revision, target.tag, target.latest)
        percents[key] = percents.get(key, 0) + target.percent
    return [_Target(revision, tag, percent, latest) for (revision, tag, latest), percent in percents.items()]


def _listed(target: _Target, name: str, namespace: str) -> Object:
    made = {"revisionName": target.revision, "latestRevision": target.latest, "percent": target.percent}
    if not target.tag:
        return made
    return {**made, "tag": target.tag, "url": f"http://{knative.external(knative.tagged(name, target.tag), namespace)}"}


def _split(targets: list[_Target]) -> dict[str, int]:
    """revision → percent; a revision that is alone gets everything, whatever its target says."""
    percents: dict[str, int] = {}
    for target in targets:
        percents[target.revision] = percents.get(target.revision, 0) + target.percent
    return percents if len(percents) > 1 else dict.fromkeys(percents, 100)
