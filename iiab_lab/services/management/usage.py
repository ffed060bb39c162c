"""What Prometheus counted of the published models, and what the gateway's log says of each key."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import requests
from kubernetes import client, watch
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from .edge import NAME, NAMESPACE
from .errors import Refused
from .platform import POD, Platform
from .published import objects
from .published.publication import Publication

log = logging.getLogger(__name__)
_SECONDS, _AGAIN = 5.0, 1.0
_PROXIES = f"gateway.envoyproxy.io/owning-gateway-name={NAME}"


class Prometheus:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def query(self, promql: str) -> list[Any]:
        """An instant vector; raises 503 where Prometheus does not answer."""
        return self._ask("query", {"query": promql})

    def range(self, promql: str, seconds: int, step: int) -> list[Any]:
        """A matrix that ends now."""
        end = time.time() // step * step
        span = {"start": str(end - seconds), "end": str(end), "step": str(step)}
        return self._ask("query_range", {"query": promql} | span)

    def _ask(self, what: str, params: dict[str, str]) -> list[Any]:
        try:
            answer = requests.get(f"{self.url()}/api/v1/{what}", params=params, timeout=_SECONDS)
            return list(answer.json()["data"]["result"])
        except (requests.RequestException, ValueError, KeyError) as error:
            raise Refused(503, "Prometheus does not answer", "kubectl get pods -n monitoring") from error

    def number(self, promql: str) -> float:
        found = self.query(promql)
        return float(found[0]["value"][1]) if found else 0.0

    def url(self) -> str:
        return self._platform.address("monitoring", "prometheus")


def selector(publication: Publication) -> str:
    name = objects.base(publication.namespace, publication.model)
    return f'envoy_cluster_name=~"httproute/{NAMESPACE}/{name}(-jwt)?/rule/.*"'


def stats(prometheus: Prometheus, publication: Publication) -> dict[str, Any]:
    """The original's UsageStats, and the present rate."""
    counter = f"envoy_cluster_upstream_rq_total{{{selector(publication)}}}"
    return {
        "totalRequests": round(prometheus.number(f"sum({counter})")),
        "requestsToday": round(_today(prometheus, counter)),
        "requestsPerSecond": round(prometheus.number(f"sum(rate({counter}[10s]))"), 3),
        "tokensUsed": 0,
    }


def _today(prometheus: Prometheus, counter: str) -> float:
    """A series begins with its first request, which increase() does not count; that a proxy began anew, only increase() sees."""
    last = f"last_over_time({counter}[1d])"
    born = f"sum(clamp_min({last} - ({counter} offset 1d or {last} * 0), 0))"
    return max(prometheus.number(f"sum(increase({counter}[1d]))"), prometheus.number(born))


class LastUse:
    """Follows the gateway's access log in a thread: client id → when it was last let through."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._seen: dict[str, str] = {}
        self._stop = threading.Event()

    def of(self, client_id: str) -> str:
        """RFC 3339, "" for never since the log began."""
        return self._seen.get(client_id, "")

    def follow(self) -> None:
        while not self._stop.is_set():
            try:
                for pod in self._platform.list(POD, NAMESPACE, _PROXIES):
                    self._read(pod["metadata"]["name"])
            except (Refused, ApiException, HTTPError) as error:
                log.warning("the gateway's log cannot be followed, trying again: %s", error)
            self._stop.wait(_AGAIN)

    def stop(self) -> None:
        self._stop.set()

    def _read(self, pod: str) -> None:
        core = client.CoreV1Api(self._platform.api)
        lines = watch.Watch().stream(core.read_namespaced_pod_log, name=pod, namespace=NAMESPACE)
        for line in lines:
            self._note(line)
            if self._stop.is_set():
                return

    def _note(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if isinstance(said, dict) and said.get("client") not in (None, "-"):
            self._seen[str(said["client"])] = str(
                said.get("time") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            )
