"""PromQL → DataFrames, through prometheus-api-client."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests

from ..errors import NotRunning, UsageError
from ..target import Target

if TYPE_CHECKING:
    import pandas

_TIMEOUT = 5.0
_LOOK = 0.2
_PLACE = ("namespace", "pod", "job")
VIEW = "metrics.inference-in-a-box"


class Prometheus:
    """The platform's Prometheus. Queries are answered at once; `wait_for` follows a number until it holds.

    With a tenant's token it is that tenant's view of it, through the gateway: every query finds the tenant's own series alone.
    """

    def __init__(self, target: Target, token: str = "") -> None:
        self.url = target.gateway_url if token else target.prometheus_url
        self._headers = {"Host": VIEW, "Authorization": f"Bearer {token}"} if token else {}

    @cached_property
    def _client(self) -> Any:
        from prometheus_api_client import PrometheusConnect
        from urllib3.util.retry import Retry

        # A Prometheus that is away is told at once; the library would ask again for six seconds.
        return PrometheusConnect(url=self.url, retry=Retry(0), session=self._session, timeout=_TIMEOUT)

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a proxy in the environment must not see loopback traffic
        session.headers.update(self._headers)
        return session

    def instant(self, query: str) -> pandas.DataFrame:
        """One row per series: its labels, and `value`."""
        import pandas

        rows = [{**item["metric"], "value": float(item["value"][1])} for item in self._ask(query)]
        return pandas.DataFrame(rows)

    def series(self, query: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of each series of an instant query."""
        return [(item["metric"], float(item["value"][1])) for item in self._ask(query)]

    def value(self, query: str) -> float:
        """The sum over all series of an instant query; 0.0 where there is none."""
        return sum(float(item["value"][1]) for item in self._ask(query))

    def range(self, query: str, minutes: float = 5.0, step: float = 1.0) -> pandas.DataFrame:
        """One column per series, named after the labels that tell them apart; the index is UTC; `step` in seconds."""
        now = time.time()
        return self.between(query, now - 60 * minutes, now, step)

    def between(self, query: str, since: float, until: float, step: float = 1.0) -> pandas.DataFrame:
        """The same of two moments in seconds since the epoch; where nothing was measured for a while, a row of NaN says so."""
        import pandas

        found = self.courses(query, since, until, step)
        names = _names([labels for labels, _ in found])
        columns = {name: course for name, (_, course) in zip(names, found, strict=True)}
        return _interrupted(pandas.DataFrame(columns), pandas.Timedelta(seconds=step))

    def courses(
        self, query: str, since: float, until: float, step: float = 1.0
    ) -> list[tuple[dict[str, str], pandas.Series]]:
        """(labels, values over time) of each series; the index is UTC."""
        import pandas

        found = self._ask(query, datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC), step)
        made = []
        for item in found:
            index = pandas.to_datetime([point[0] for point in item["values"]], unit="s", utc=True)
            made.append((item["metric"], pandas.Series([float(point[1]) for point in item["values"]], index=index)))
        return made

    def wait_for(self, query: str, at_least: float, seconds: float = 15.0) -> float:
        """The value once it has reached `at_least`, or the last one seen after so many seconds."""
        deadline = time.monotonic() + seconds
        while (seen := self.value(query)) < at_least and time.monotonic() < deadline:
            time.sleep(_LOOK)
        return seen

    def settled(self, query: str, metric: str, seconds: float = 15.0) -> float:
        """The value once every series of `metric` has been scraped after this call: nothing that happened is missing."""
        self.wait_for(f"min(timestamp({metric}))", time.time(), seconds)
        return self.value(query)

    def targets(self, seconds: float = 15.0) -> pandas.DataFrame:
        """namespace, pod, job, health, error of everything that is scraped, once each was (or after so many seconds)."""
        import pandas

        deadline = time.monotonic() + seconds
        while True:
            found = self._targets()
            if (found and all(item["health"] == "up" for item in found)) or time.monotonic() > deadline:
                break
            time.sleep(_LOOK)
        rows = [[*(item["labels"].get(n, "") for n in _PLACE), item["health"], item["lastError"]] for item in found]
        return pandas.DataFrame(rows, columns=[*_PLACE, "health", "error"])

    def _targets(self) -> list[Any]:
        """prometheus-api-client has no call for them."""
        try:
            answer = self._session.get(f"{self.url}/api/v1/targets", params={"state": "active"}, timeout=_TIMEOUT)
            found: list[Any] = answer.json()["data"]["activeTargets"]
        except (requests.RequestException, ValueError, KeyError) as error:
            raise NotRunning(f"Prometheus at {self.url} does not answer.", "look at: iiab status") from error
        return found

    def _ask(
        self, query: str, start: datetime | None = None, end: datetime | None = None, step: float = 1.0
    ) -> list[Any]:
        from prometheus_api_client.exceptions import PrometheusApiClientException

        try:
            if start is None:
                instant: list[Any] = self._client.custom_query(query)
                return instant
            ranged: list[Any] = self._client.custom_query_range(query, start, end, f"{step:g}s")
            return ranged
        except PrometheusApiClientException as error:
            raise UsageError(f"Prometheus refuses {query!r}: {error}", "mend the query") from error
        except requests.RequestException as error:
            raise NotRunning(f"Prometheus at {self.url} does not answer.", "look at: iiab status") from error


def _names(metrics: list[dict[str, str]]) -> list[str]:
    """Only the labels in which the series differ; `value` for a single one."""
    differing = sorted({label for metric in metrics for label in metric if len({m.get(label) for m in metrics}) > 1})
    return [", ".join(metric.get(label, "–") for label in differing) or "value" for metric in metrics]


def _interrupted(frame: pandas.DataFrame, step: pandas.Timedelta) -> pandas.DataFrame:
    """A line would else be drawn through what nobody measured."""
    if frame.empty:
        return frame
    gaps = frame.index[frame.index.to_series().diff() > 1.5 * step]
    return frame.reindex(frame.index.union(gaps - step)) if len(gaps) else frame
