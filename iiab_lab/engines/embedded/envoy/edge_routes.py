"""An attached HTTPRoute → Envoy routes and the clusters they lead to, in the order Gateway API gives them precedence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..objects.meta import Object
from ..rules.autoscaling.literals import duration
from . import edge_filters
from .attachment import Attached
from .durations import seconds
from .edge_backends import Backends
from .edge_filters import Changes
from .references import backend_key, refusal
from .world import World

Resource = dict[str, Any]

_KINDS = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}
_NOWHERE = "invalid-backend-cluster"  # is never made: what is sent there is answered 500
_FAILED: Resource = {"direct_response": {"status": 500}}
_IDLE = 3600.0


class Ranked(NamedTuple):
    """An Envoy route with what decides its place among the others, smaller is earlier, and the timeouts of its rule."""

    rank: tuple[Any, ...]
    route: Resource
    timeouts: Object


class Routes(NamedTuple):
    ranked: list[Ranked]
    clusters: dict[str, Resource]


def routes(world: World, one: Attached, backends: Backends) -> Routes:
    made = Routes([], {})
    created = one.route["metadata"].get("creationTimestamp", "")
    for index, rule in enumerate(one.route["spec"].get("rules") or ()):
        wrong = one.problems.get(index, ())
        if any(problem.drops for problem in wrong):
            continue
        name = f"{one.name}/rule/{index}"
        action = _FAILED if wrong else _Rule(world, one, rule, name, backends, made.clusters).action()
        for place, match in enumerate(rule.get("matches") or [{}]):
            rank = (*_rank(match), created, one.name, index, place)
            route = {"name": f"{name}/match/{place}", "match": _match(match), **action}
            made.ranked.append(Ranked(rank, route, rule.get("timeouts") or {}))
    return made


def closed(route: Resource) -> Resource:
    """The same route, that answers 500: of a policy that cannot be translated."""
    return {"name": route["name"], "match": route["match"], **_FAILED}


def _rank(match: Object) -> tuple[Any, ...]:
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    kind = path.get("type", "PathPrefix")
    return (
        _KINDS[kind],
        -len(path.get("value", "/")),
        "method" not in match,
        -len(match.get("headers") or ()),
        -len(match.get("queryParams") or ()),
    )


def _match(match: Object) -> Resource:
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "Exact":
        made: Resource = {"path": value}
    elif kind == "RegularExpression":
        made = {"safe_regex": {"regex": value}}
    else:
        prefix = value.rstrip("/")
        made = {"path_separated_prefix": prefix} if prefix else {"prefix": "/"}
    headers = [{"name": item["name"].lower(), "string_match": _string(item)} for item in match.get("headers") or ()]
    if "method" in match:
        headers.append({"name": ":method", "string_match": {"exact": match["method"]}})
    queries = [{"name": item["name"], "string_match": _string(item)} for item in match.get("queryParams") or ()]
    return made | ({"headers": headers} if headers else {}) | ({"query_parameters": queries} if queries else {})


def _string(item: Object) -> Resource:
    regex = item.get("type", "Exact") == "RegularExpression"
    return {"safe_regex": {"regex": item["value"]}} if regex else {"exact": item["value"]}


class _Rule(NamedTuple):
    """One rule on its way; the clusters it needs are added to `clusters`."""

    world: World
    one: Attached
    rule: Object
    name: str
    backends: Backends
    clusters: dict[str, Resource]

    def action(self) -> Resource:
        changes = self._changes(self.rule)
        if changes.redirect is not None:
            return {"redirect": changes.redirect, **changes.beside}
        weighted = list(self._weighted())
        if all(item["name"] == _NOWHERE for item in weighted):
            return {**_FAILED, **changes.beside}
        route = _to(weighted) | changes.rewrite | _patience(self.rule.get("timeouts") or {})
        if mirrors := list(self._mirrors(changes)):
            route["request_mirror_policies"] = mirrors
        return {"route": route, **changes.beside}

    def _changes(self, holder: Object) -> Changes:
        paths = (match["path"] for match in self.rule.get("matches") or () if "path" in match)
        prefix = next((path.get("value", "/") for path in paths), "/")
        return edge_filters.changes(holder.get("filters") or (), prefix)

    def _weighted(self) -> Iterator[Resource]:
        """Invalid backends answer 500 for their share, as Gateway API wants it."""
        refs = self.rule.get("backendRefs") or ()
        for index, ref in enumerate(refs):
            if weight := ref.get("weight", 1):
                name = self._cluster(ref, self.name if len(refs) == 1 else f"{self.name}/backend/{index}")
                own = self._changes(ref) if name else Changes()
                host = {key: own.rewrite[key] for key in own.rewrite if key == "host_rewrite_literal"}
                yield {"name": name or _NOWHERE, "weight": weight, **host, **own.beside}

    def _mirrors(self, changes: Changes) -> Iterator[Resource]:
        """Envoy sends the copy and forgets it: the client's answer never waits for a mirror, and one that is not valid is left out."""
        for index, mirror in changes.mirrors:
            share = edge_filters.fraction(mirror)
            name = self._cluster(mirror["backendRef"], f"{self.name}-mirror-{index}") if share else None
            if name:
                fraction = {"default_value": share}
                yield {"cluster": name, "runtime_fraction": fraction, "disable_shadow_host_suffix_append": True}

    def _cluster(self, ref: Object, name: str) -> str | None:
        if refusal(self.world, self.one.route, ref):
            return None
        self.clusters[name] = self.backends.cluster(backend_key(self.one.route, ref), ref["port"], name)
        return name


def _to(weighted: list[Resource]) -> Resource:
    if len(weighted) == 1 and set(weighted[0]) == {"name", "weight"}:
        return {"cluster": weighted[0]["name"]}
    return {
        "weighted_clusters": {"clusters": weighted},
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
    }


def _patience(timeouts: Object) -> Resource:
    """Without retries a request is one try, and the backend's time, the shorter one, holds (with them, see `edge_traffic`). 0s
    is no limit."""
    request, backend = (timeouts.get(name) for name in ("request", "backendRequest"))
    tried = backend if backend and duration(backend) else request
    if tried is None:
        return {}
    # A request may be silent for as long as it may take.
    idle = max(_IDLE, duration(tried)) if duration(tried) else 0.0
    return {"timeout": seconds(tried), "idle_timeout": seconds(f"{idle:.0f}s")}
