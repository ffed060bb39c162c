"""A LimitRange and a Pod (or a claim) → the defaults it gives, and what is wrong by it. Kubernetes' LimitRanger, its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..objects import quantities
from ..objects.meta import Object
from ..objects.pods import containers_of

Items = list[Object]


def completed(item: Object) -> Object:
    """The defaults of a limit itself: default from max, defaultRequest from default, then from min."""
    if item.get("type") != "Container":
        return item
    default = {**(item.get("max") or {}), **(item.get("default") or {})}
    request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
    return item | ({"default": default} if default else {}) | ({"defaultRequest": request} if request else {})


def fill(pod: Object, items: Items) -> None:
    """Requests and limits that containers leave out, in place."""
    for item in items:
        if item.get("type") == "Container":
            for container in containers_of(pod):
                _fill(container, item)


def violations(obj: Object, what: str, items: Items) -> list[str]:
    """`what` is Pod or PersistentVolumeClaim."""
    found = []
    for item in items:
        if item["type"] == what == "PersistentVolumeClaim":
            found += list(_outside(item, obj["spec"].get("resources") or {}))
        elif item["type"] == what == "Pod":
            found += list(_outside(item, _together(obj)))
        elif item["type"] == "Container" and what == "Pod":
            found += [said for c in containers_of(obj) for said in _outside(item, c.get("resources") or {})]
    return found


def _fill(container: Object, item: Object) -> None:
    held = container.get("resources") or {}
    limits = {**(item.get("default") or {}), **(held.get("limits") or {})}
    own = held.get("limits") or {}
    requests = {**(item.get("defaultRequest") or {}), **own, **(held.get("requests") or {})}
    made = ({"limits": limits} if limits else {}) | ({"requests": requests} if requests else {})
    if made:
        container["resources"] = held | made


def _outside(item: Object, resources: Object) -> Iterator[str]:
    kind = item["type"]
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, least in (item.get("min") or {}).items():
        yield from _compare("minimum", name, kind, least, requests.get(name), "request")
        if name in limits:
            yield from _compare("minimum", name, kind, least, limits[name], "limit")
    for name, most in (item.get("max") or {}).items():
        if kind == "PersistentVolumeClaim":
            yield from _compare("maximum", name, kind, most, requests.get(name), "request")
            continue
        yield from _compare("maximum", name, kind, most, limits.get(name), "limit")
        if name in requests:
            yield from _compare("maximum", name, kind, most, requests[name], "request")
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        yield from _ratio(name, kind, ratio, requests.get(name), limits.get(name))


def _compare(which: str, name: str, kind: str, bound: Any, given: Any, what: str) -> Iterator[str]:
    said = f"{which} {name} usage per {kind} is {bound}"
    if given is None:
        yield f"{said}. No {what} is specified"
        return
    below = quantities.parse(given) < quantities.parse(bound)
    if below if which == "minimum" else quantities.parse(given) > quantities.parse(bound):
        yield f"{said}, but {what} is {given}"


def _ratio(name: str, kind: str, most: Any, request: Any, limit: Any) -> Iterator[str]:
    said = f"{name} max limit to request ratio per {kind} is {most}"
    if not request or not limit:
        yield (
            f"{said}, but no request is specified or request is 0"
            if not request
            else f"{said}, but no limit is specified"
        )
        return
    actual = quantities.parse(limit) / quantities.parse(request)
    if actual > quantities.parse(most):
        yield f"{said}, but provided ratio is {float(actual):f}"


def _together(pod: Object) -> Object:
    made: Object = {"requests": {}, "limits": {}}
    for which, total in made.items():
        for container in pod["spec"]["containers"]:
            for name, value in ((container.get("resources") or {}).get(which) or {}).items():
                total[name] = quantities.text(quantities.parse(total.get(name, 0)) + quantities.parse(value), value)
    return made
