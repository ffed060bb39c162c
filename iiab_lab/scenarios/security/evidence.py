"""Request ids and counters → who decided, and the log line or the metric that proves it.

Each hop's access log is read once, after all attacks. Of the hops that wrote about a request, in its order, the first that
does not say `via_upstream` decided it; where all say so, the program behind the last of them did.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ...audit import audit
from ...errors import ApiError
from ...kube import Object
from ...plots.prometheus import Prometheus
from ...target import Target
from .attack import ACTIVATOR, EDGE, IDENTITY, MANAGEMENT, MODEL, PROMETHEUS, SIDECAR, TIER_2

_DEPTH = {EDGE: 0, TIER_2: 1, ACTIVATOR: 2, SIDECAR: 3}
_CONTAINERS = ("envoy", "istio-proxy")
_PASSED = "via_upstream"
_LOOK, _PATIENCE = 0.1, 3.0
_ALL = 1_000_000
_FLUSH = (
    0.25  # proxies write their logs every 100 ms, each in its own time: the hops behind the edge may be later than it
)
# Every proxy has it, so its age is the age of what Prometheus knows of that proxy.
_ALIVE = 'envoy_server_live{namespace=~"envoy-gateway-system|istio-system|knative-serving|identity|default"}'


class Line(NamedTuple):
    """What one hop wrote about one request; `behind` is the program that it passes requests to."""

    layer: str
    behind: str
    fields: Mapping[str, Any]


def read(target: Target, since: float, awaited: Iterable[str] = ()) -> list[Line]:
    """Every line of every proxy since then (seconds since the epoch), once the edge has written of all `awaited` ids."""
    wanted, deadline = set(awaited), time.monotonic() + _PATIENCE
    while True:
        edge = [line for pod in _proxies(target) if _place(pod)[0] == EDGE for line in _of(target, pod, since)]
        if wanted <= {str(line.fields.get("request_id")) for line in edge} or time.monotonic() > deadline:
            break
        time.sleep(_LOOK)
    time.sleep(_FLUSH)
    rest = [pod for pod in _proxies(target) if _place(pod)[0] != EDGE]
    return edge + [line for pod in rest for line in _of(target, pod, since)]


def _proxies(target: Target) -> list[Object]:
    return [pod for pod in target.kube.list("v1", "Pod") if _container(pod)]


def _container(pod: Object) -> str:
    names = {container["name"] for container in pod["spec"]["containers"]}
    return next((name for name in _CONTAINERS if name in names), "")


def _place(pod: Object) -> tuple[str, str]:
    """(layer, what is behind it) of a Pod's proxy; "" where each line has to tell."""
    labels = pod["metadata"].get("labels") or {}
    if "gateway.envoyproxy.io/owning-gateway-name" in labels:
        return EDGE, ""
    if labels.get("istio") == "ingressgateway":
        return TIER_2, ""
    app = labels.get("app", "")
    if app == "activator":
        return ACTIVATOR, MODEL
    known = {"identity": IDENTITY, "management-service": MANAGEMENT}
    return SIDECAR, MODEL if "serving.kserve.io/inferenceservice" in labels else known.get(app, app)


def _behind(fields: Mapping[str, Any]) -> str:
    """By the cluster that a gateway sent it to: of a Pod that is gone, or has no proxy, there is no other line."""
    upstream = str(fields.get("upstream") or "")
    return MODEL if "-predictor" in upstream else PROMETHEUS if "||prometheus." in upstream else "upstream"


def _of(target: Target, pod: Object, since: float) -> list[Line]:
    meta, (layer, behind) = pod["metadata"], _place(pod)
    began, text = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), ""
    with contextlib.suppress(ApiError):  # it is gone, or just starting
        text = target.kube.log(meta["namespace"], meta["name"], container=_container(pod), sinceTime=began)
    return [Line(layer, behind or _behind(fields), fields) for fields in parsed(text)]


def parsed(text: str) -> list[Mapping[str, Any]]:
    """The lines that are JSON objects with a request's code; a proxy writes others too."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                fields = json.loads(line)
                found += [fields] if "code" in fields else []
    return found


def indexed(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """request id → its lines, the edge's first."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(str(line.fields.get("request_id")), []).append(line)
    return {key: sorted(group, key=lambda line: _DEPTH[line.layer]) for key, group in found.items()}


def written(target: Target, since: float, request_ids: Iterable[str]) -> int:
    """How many of these requests the audit stream holds, once it holds all of them or does not for a while."""
    wanted, deadline = set(request_ids), time.monotonic() + _PATIENCE
    while True:
        rows = audit(target, since=datetime.fromtimestamp(since, UTC).isoformat(), limit=_ALL)
        found = len(wanted.intersection(rows["request_id"]))
        if found == len(wanted) or time.monotonic() > deadline:
            return found
        time.sleep(_LOOK)


def about(index: Mapping[str, Sequence[Line]], request_ids: Iterable[str]) -> list[Line]:
    """The lines under any of the ids one request went by: the edge may give it another than it came with."""
    found = {id(line): line for key in request_ids for line in index.get(key, ())}
    return sorted(found.values(), key=lambda line: _DEPTH[line.layer])


def decided(lines: Sequence[Line]) -> tuple[str, str]:
    """(layer, the essence of the line that proves it); "" for both where nobody wrote a line.

    The first hop from outside that did not only pass on what came from behind it.
    """
    if not lines:
        return "", ""
    own = next((line for line in lines if line.fields.get("details") != _PASSED), None)
    line = own or lines[-1]
    return (own.layer if own else line.behind), f"{line.layer}: {_essence(line.fields)}"


def _essence(fields: Mapping[str, Any]) -> str:
    """What tells why: code, response code details, flags, and who it was."""
    said = [str(fields.get("code")), str(fields.get("details") or "")]
    flags, peer = fields.get("flags") or "-", str(fields.get("peer") or "")
    said += [f"flags {flags}"] if flags != "-" else []
    said += [f"peer {peer.removeprefix('spiffe://cluster.local/')}"] if peer else []
    return " ".join(part for part in said if part)


class Counters:
    """Metrics before and after: what grew is evidence for what left no line."""

    def __init__(self, prometheus: Prometheus, queries: Iterable[str]) -> None:
        """Waits until what happened before is counted, a second or two."""
        self._prometheus, self._queries = prometheus, sorted(set(queries))
        self._before = self._now()

    def grown(self) -> dict[str, float]:
        after = self._now()
        return {query: after[query] - self._before[query] for query in self._queries}

    def _now(self) -> dict[str, float]:
        if not self._queries:
            return {}
        self._prometheus.settled(_ALIVE, _ALIVE, 5)
        return {query: self._prometheus.value(f"sum({query})") for query in self._queries}
