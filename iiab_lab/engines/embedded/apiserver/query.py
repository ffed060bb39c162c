"""A request's query and body of options → checked values; raises 400 or 422 in the words of Kubernetes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from ....errors import ApiError
from ..objects.meta import Object
from .status import invalid

_DELETE_OPTIONS = {"preconditions": dict, "dryRun": list, "propagationPolicy": str, "orphanDependents": bool}
_MOST_GRACE = 2**31 - 1  # later than that no time stamp reaches
_PROPAGATION = ("Background", "Foreground", "Orphan")
_VALIDATION = ("", "Strict", "Warn", "Ignore")

Query = Mapping[str, str]


class Page(NamedTuple):
    """The continuation of a list: which revision it is true at, and the last object it gave."""

    revision: int
    namespace: str
    name: str


def flag(query: Query, name: str) -> bool:
    """As Kubernetes reads one: absent, "0" and "false" are false; everything else, the empty string too, is true."""
    return query.get(name, "0").lower() not in ("0", "false")


def number(query: Query, name: str) -> int | None:
    """A whole number of at least 0, or None where it is not given."""
    given = query.get(name)
    if not given:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 18:
        raise ApiError(400, "BadRequest", f"{name}: {given!r} is no whole number", f"write {name}=100")
    return int(given)


def dry_run(query: Query) -> bool:
    return _all(query.get("dryRun"))


def _all(given: Any) -> bool:
    values = [given] if isinstance(given, str) else list(given or ())
    if any(value not in ("", "All") for value in values):
        raise invalid("dryRun", f'Unsupported value: "{values[0]}": supported values: "All"')
    return "All" in values


def validation(query: Query) -> str:
    given = query.get("fieldValidation", "")
    if given not in _VALIDATION:
        raise invalid("fieldValidation", f'Unsupported value: "{given}": supported values: "Ignore", "Strict", "Warn"')
    return given or "Warn"


def field_manager(query: Query, agent: str) -> str:
    """The name a client gives itself, else the program in its User-Agent."""
    given = query.get("fieldManager", "")
    if len(given) > 128 or not given.isprintable():
        raise invalid("fieldManager", "Invalid value: must be at most 128 printable characters")
    return given or agent.partition("/")[0][:128] or "unknown"


def revision(query: Query, current: int) -> int | None:
    """resourceVersion, or None where any will do; raises 504 for one that is still to come."""
    given = query.get("resourceVersion", "")
    if given in ("", "0"):
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 18:
        raise ApiError(
            400,
            "BadRequest",
            f"resourceVersion: Invalid value: {given!r}: must be a whole number",
            "list, then go on from the list's resourceVersion",
        )
    if int(given) > current:
        error = ApiError(
            504, "Timeout", f"Too large resource version: {given}, current: {current}", "list again without one"
        )
        error.details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
        raise error
    return int(given)


def page(query: Query) -> Page | None:
    given = query.get("continue", "")
    if not given:
        return None
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(given.encode()))
        return Page(int(parts[0]), str(parts[1]), str(parts[2]))
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ApiError(400, "BadRequest", "continue key is not valid", "list again from the start") from error


def token(page: Page) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(page))).decode()


def delete_options(query: Query, body: Any) -> dict[str, Any]:
    """DeleteOptions of the body, else of the query → the arguments of Store.delete."""
    given = _of_delete(body)
    preconditions = given.get("preconditions") or {}
    grace = given.get("gracePeriodSeconds")
    grace = number(query, "gracePeriodSeconds") if grace is None else grace
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool) or not 0 <= grace <= _MOST_GRACE):
        raise invalid("gracePeriodSeconds", f"Invalid value: {grace!r}: must be a whole number from 0 to {_MOST_GRACE}")
    return {
        "uid": preconditions.get("uid"),
        "revision": preconditions.get("resourceVersion"),
        "propagation": _propagation(query, given),
        "grace": grace,
        "dry_run": dry_run(query) or _all(given.get("dryRun")),
    }


def _of_delete(body: Any) -> Object:
    if not isinstance(body, dict):
        raise ApiError(400, "BadRequest", "the body is no DeleteOptions", "send an object, or nothing")
    for name, kind in _DELETE_OPTIONS.items():
        if not isinstance(body.get(name), kind | None):
            raise ApiError(400, "BadRequest", f"DeleteOptions: {name} must be of type {kind.__name__}", "mend the body")
    return body


def _propagation(query: Query, given: Object) -> str:
    policy = given.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphan = given.get("orphanDependents")
    if policy and orphan is not None:
        raise invalid("propagationPolicy", "Invalid value: orphanDependents and deletionPropagation cannot be both set")
    if policy and policy not in _PROPAGATION:
        raise invalid("propagationPolicy", f'Invalid value: "{policy}": needs to be one of {", ".join(_PROPAGATION)}')
    return str(policy) or ("Orphan" if orphan else "Background")
