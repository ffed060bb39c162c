"""The view as its users call it, over a real Prometheus: what each path answers, to whom, and what is in it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from iiab_lab.services.management.callers import Caller
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.metrics.app import application
from iiab_lab.services.metrics.upstream import Upstream

from .prometheus import METRICS, Prometheus

OTHERS = ("theirs", "others")


class KnownCallers:
    """A bearer token is a namespace's name here."""

    def identify(self, request: Request) -> Caller:
        name = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not name:
            raise Refused(401, "Access token required", "send: Authorization: Bearer TOKEN")
        tenant = "" if name == "admin" else name
        return Caller(name, tenant, tenant, "", {})


class View:
    def __init__(self, prometheus: Prometheus, who: str, most: int = 1 << 20) -> None:
        callers: Any = KnownCallers()
        headers = {"authorization": f"Bearer {who}"} if who else {}
        self.client = TestClient(application(callers, Upstream(lambda: prometheus.url, most)), headers=headers)
        self.now = prometheus.now

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(f"/api/v1/{path}", params=params)

    def post(self, path: str, **params: Any) -> httpx.Response:
        return self.client.post(f"/api/v1/{path}", data=params)


@pytest.fixture
def everybody(prometheuses: tuple[Prometheus, Prometheus]) -> Prometheus:
    return prometheuses[0]


@pytest.fixture
def mine(everybody: Prometheus) -> View:
    return View(everybody, "mine")


def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert not [name for name in OTHERS if name in answer.text], answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_listings_hold_what_is_ones_own_and_all_of_it(mine: View, method: str) -> None:
    ask = getattr(mine, method)
    assert set(data(ask("labels"))) >= {"__name__", "namespace", "pod", "app", "only_mine", "mark"}
    assert "only_mine" in data(ask("labels", **{"match[]": ["requests_total", 'errors_total{namespace="theirs"}']}))
    found = data(ask("series", **{"match[]": ['{__name__=~".+"}', "only_theirs_total"]}))
    assert {one["namespace"] for one in found} == {"mine"}
    assert {one["__name__"] for one in found} == {*METRICS, "only_mine_total", "namespace:requests"}


def test_values_of_a_label_are_ones_own(mine: View) -> None:
    assert data(mine.get("label/namespace/values")) == ["mine"]
    assert set(data(mine.get("label/__name__/values"))) == {*METRICS, "only_mine_total", "namespace:requests"}
    assert data(mine.get("label/only_theirs/values")) == []
    assert data(mine.get("label/mark/values", **{"match[]": 'requests_total{namespace=~".*"}'})) == ["secret-mine"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_query_is_answered_as_prometheus_answers_it(mine: View, method: str) -> None:
    ask = getattr(mine, method)
    found = data(ask("query", query="requests_total", time=mine.now))
    assert found["resultType"] == "vector" and len(found["result"]) == 2
    span = {"start": mine.now - 60, "end": mine.now, "step": 30}
    matrix = data(ask("query_range", query="sum(requests_total)", **span))
    assert [len(one["values"]) for one in matrix["result"]] == [3]
    assert data(ask("query", query="everybody:requests", time=mine.now))["result"] == []


def test_what_the_body_says_comes_before_the_address_and_nothing_slips_by(mine: View) -> None:
    answer = mine.client.post(
        "/api/v1/query?query=only_theirs_total&namespace=theirs",
        data={"query": "requests_total", "time": str(mine.now), "match[]": "only_theirs_total"},
    )
    assert {one["metric"]["namespace"] for one in data(answer)["result"]} == {"mine"}


def test_metadata_and_targets_are_those_of_ones_own_targets(everybody: Prometheus, mine: View) -> None:
    """Here nothing is scraped of a namespace: the target of all has none. Of the page's own every word would be another's."""
    assert data(mine.get("targets")) == {"activeTargets": [], "droppedTargets": []}
    assert data(mine.get("metadata")) == data(mine.get("metadata", metric="requests_total")) == {}
    assert everybody.ask("targets/metadata").status_code == 405 and "only_theirs_total" in str(
        httpx.get(f"{everybody.url}/api/v1/metadata").json()
    )


@pytest.mark.parametrize(
    "path",
    [
        *("rules", "alerts", "query_exemplars", "alertmanagers", "format_query", "targets/metadata", "write", "read"),
        *(f"status/{what}" for what in ("config", "flags", "runtimeinfo", "buildinfo", "tsdb", "walreplay")),
        *("admin/tsdb/snapshot", "admin/tsdb/delete_series", "label/a-b/values", "query/", "../../metrics", "x%0Ay"),
        "query%2f..%2fstatus/config",
    ],
)
def test_what_is_not_confined_is_refused(mine: View, path: str) -> None:
    answer = mine.get(path, query="requests_total", **{"match[]": "requests_total"})
    assert answer.status_code in (403, 404), answer.text
    said = answer.json()
    assert said["status"] == "error" and said["errorType"] in ("forbidden", "not_found") and " → " in said["error"]


@pytest.mark.parametrize(
    ("path", "params", "status", "says"),
    [
        ("query", {}, 400, "mend the query"),
        ("query", {"query": "info(requests_total)"}, 400, "function info"),
        ("query", {"query": "requests_total * on (app) errors_total", "time": 1}, 200, ""),
        ("series", {}, 400, "no match[] parameter"),
        ("series", {"match[]": "rate(requests_total[5m])"}, 400, "no series selector"),
        ("labels", {"match[]": ["a"] * 101}, 400, "more than 100 match[]"),
        ("query_range", {"query": "requests_total", "start": 1, "end": 2}, 400, "step"),
        ("query", {"query": "requests_total", "time": "yesterday"}, 400, "time"),
    ],
)
def test_bad_input_gets_an_error_in_prometheus_form(
    mine: View, path: str, params: dict[str, Any], status: int, says: str
) -> None:
    answer = mine.post(path, **params)
    assert answer.status_code == status and says in answer.json().get("error", ""), answer.text
    assert status == 200 or answer.json()["errorType"] == "bad_data"


def test_who_may_ask(everybody: Prometheus) -> None:
    assert View(everybody, "").get("labels").status_code == 401
    assert View(everybody, "admin").get("labels").status_code == 403
    theirs = View(everybody, "theirs").get("label/__name__/values").json()["data"]
    assert "only_theirs_total" in theirs and "only_mine_total" not in theirs


def test_bodies_and_answers_have_an_end(everybody: Prometheus, mine: View) -> None:
    assert mine.post("query", query="x" * (64 << 10)).status_code == 413
    assert mine.client.post("/api/v1/query", json={"query": "requests_total"}).status_code == 415
    assert mine.post("label/namespace/values").status_code == 405
    answer = View(everybody, "mine", most=100).get("query", query="requests_total", time=mine.now)
    assert answer.status_code == 422 and "MiB" in answer.json()["error"]


def test_a_prometheus_that_is_away_is_told(everybody: Prometheus) -> None:
    answer = View(Prometheus("http://127.0.0.1:9", everybody.now), "mine").get("query", query="up")
    assert answer.status_code == 503 and answer.json()["errorType"] == "unavailable"
