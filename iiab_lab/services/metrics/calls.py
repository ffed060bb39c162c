"""A call of Prometheus' HTTP API and a namespace → the call that is made instead, confined; or why there is none.

The parameters are written anew: what is not named here does not reach Prometheus, which ignores what it does not know too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..management.errors import Refused
from .confine import LABEL, Unconfinable, everything, query, selector
from .upstream import Params, Upstream

_LABEL_VALUES = re.compile(r"label/([a-zA-Z_][a-zA-Z0-9_]*)/values")
_SPAN = ("start", "end")
_QUERIES = {"query": ("time", "limit"), "query_range": (*_SPAN, "step", "limit")}
_LISTINGS = ("series", "labels")
_SELECTORS = 100
# Nobody's query keeps Prometheus from the others for longer; a caller's own timeout is not asked.
_TIMEOUT = ("timeout", "30s")
# What is not confined is refused. `""` stands for everything else.
_REFUSED = {
    "rules": "rules are the platform's → what they made of your series: query?query=ALERTS",
    "alerts": "alerts are the platform's → those about your series: query?query=ALERTS",
    "query_exemplars": "exemplars are not served → ask for the series: query",
    "": "this is the admin's → served here are: query, query_range, series, labels, label/NAME/values, metadata, targets",
}


class Call(NamedTuple):
    """`path` is below /api/v1/."""

    path: str
    params: Params


def confined(path: str, given: Params, namespace: str) -> Call:
    """Raises Refused: 400 for what is not valid, 403 for what no tenant may ask."""
    try:
        if path in _QUERIES:
            text = query(_one(given, "query"), namespace)
            return Call(path, [("query", text), *_of(given, _QUERIES[path]), _TIMEOUT])
        if path in _LISTINGS or _LABEL_VALUES.fullmatch(path):
            if path == "series" and not any(name == "match[]" for name, _ in given):
                raise Unconfinable("no match[] parameter → say which series: match[]=NAME")
            return Call(path, [*_matches(given, namespace), *_of(given, (*_SPAN, "limit"))])
    except Unconfinable as error:
        raise Refused(400, str(error)) from error
    raise Refused(403, _REFUSED.get(path, _REFUSED[""]))


def targets(upstream: Upstream, namespace: str) -> dict[str, Any]:
    """What is scraped of the namespace, without how it was discovered; of what is not scraped, nothing is told."""
    found = upstream.get("targets", [("state", "active")]).data()["activeTargets"]
    own = [one | {"discoveredLabels": {}} for one in found if one["labels"].get(LABEL) == namespace]
    return {"activeTargets": own, "droppedTargets": []}


def metadata(upstream: Upstream, namespace: str, metric: str) -> dict[str, list[dict[str, str]]]:
    """As /api/v1/metadata has it, by what the namespace's own targets say; `metric` is one name, "" for all."""
    asked = [("match_target", everything(namespace)), *([("metric", metric)] if metric else ())]
    told: dict[str, list[dict[str, str]]] = {}
    for one in upstream.get("targets/metadata", asked).data():
        entry = {name: one[name] for name in ("type", "help", "unit")}
        entries = told.setdefault(one.get("metric") or metric, [])
        if entry not in entries:
            entries.append(entry)
    return told


def _matches(given: Params, namespace: str) -> list[tuple[str, str]]:
    """Each selector confined: a series that one of them has is enough. Without any, all of the namespace."""
    wanted = [value for name, value in given if name == "match[]"]
    if len(wanted) > _SELECTORS:
        raise Unconfinable(f"there are more than {_SELECTORS} match[] → join them by a regular expression")
    return [("match[]", one) for one in ([selector(text, namespace) for text in wanted] or [everything(namespace)])]


def _of(given: Params, names: Sequence[str]) -> list[tuple[str, str]]:
    """Of a parameter that is said twice the first counts."""
    said = dict(reversed(given))
    return [(name, said[name]) for name in names if said.get(name)]


def _one(given: Params, wanted: str) -> str:
    return next((value for name, value in given if name == wanted), "")
