"""The parts of the web interface that need no platform: sessions, CSRF, forms, charts, what templates may say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import Request

from iiab_lab.services.management import web
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.web import rendering
from iiab_lab.services.management.web.charts import chart
from iiab_lab.services.management.web.csrf import Csrf, require_same_origin
from iiab_lab.services.management.web.figures import grown
from iiab_lab.services.management.web.forms import Filled, filled
from iiab_lab.services.management.web.session import Sessions

HERE = Path(web.__file__).parent
TEMPLATES = sorted((HERE / "templates").glob("*.html"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_with_its_token_and_when_it_is_ended() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first, second = sessions.begin("a", 1010), sessions.begin("b", 1020)
    assert first.id != second.id and len(first.id) >= 43
    assert sessions.find(first.id) is first and sessions.find("") is None
    clock.now = 1010
    assert sessions.find(first.id) is None and sessions.find(second.id) is second
    sessions.end(second.id)
    assert sessions.find(second.id) is None


def test_there_are_at_most_a_thousand_sessions_and_the_oldest_goes() -> None:
    sessions = Sessions(Clock())
    made = [sessions.begin("t", 2000) for _ in range(1001)]
    assert sessions.find(made[0].id) is None
    assert all(sessions.find(one.id) is one for one in made[1:])


def test_a_note_is_taken_once_and_neither_it_nor_the_token_is_in_the_repr() -> None:
    session = Sessions(Clock()).begin("the-token", 2000)
    name = session.leave(done="Published", key="the-key")
    assert "the-key" not in repr(session) and "the-token" not in repr(session)
    assert session.take(name) == {"done": "Published", "key": "the-key"}
    assert session.take(name) is None


def test_a_form_token_is_good_for_its_own_session_alone() -> None:
    csrf, other = Csrf(), Csrf()
    csrf.require("one", csrf.token("one"))
    for id_, given in (
        ("one", csrf.token("two")),
        ("one", ""),
        ("one", None),
        ("", csrf.token("")),
        ("one", other.token("one")),
    ):
        with pytest.raises(Refused) as caught:
            csrf.require(id_, given)
        assert caught.value.status == 403


@pytest.mark.parametrize(
    ("origin", "host", "good"),
    [
        ("http://localhost:8085", "localhost:8085", True),
        ("https://management.inference-in-a-box", "management.inference-in-a-box", True),
        ("http://localhost:8086", "localhost:8085", False),
        ("http://evil.example", "localhost:8085", False),
        ("http://localhost:8085.evil.example", "localhost:8085", False),
        ("http://evil.example@localhost:8085", "localhost:8085", False),
        ("null", "localhost:8085", False),
        ("", "localhost:8085", False),
        ("", "", False),
    ],
)
def test_a_form_comes_from_this_very_host(origin: str, host: str, good: bool) -> None:
    headers = [(name, value.encode()) for name, value in ((b"origin", origin), (b"host", host)) if value]
    request = Request({"type": "http", "headers": headers})
    if good:
        return require_same_origin(request)
    with pytest.raises(Refused, match="another site"):
        require_same_origin(request)


def test_a_refusal_goes_beside_the_fields_it_names_and_what_was_typed_stays() -> None:
    form = filled({"requestsPerMinute": " 0 ", "externalPath": "x", "other": "y"}, "requestsPerMinute", "externalPath")
    details = "rateLimiting.requestsPerMinute: must be from 1 to 10; externalPath: must begin with /; kind: is odd"
    form.refuse(Refused(400, "Validation failed", details))
    assert form.errors == {"requestsPerMinute": "must be from 1 to 10", "externalPath": "must begin with /"}
    assert form.general == ["kind: is odd"] and form.values["requestsPerMinute"] == " 0 " and "other" not in form.values
    conflict = Filled({"name": ""}).refuse(Refused(409, "Model already exists", "change it: PUT /api/models/x"))
    assert conflict.errors == {} and conflict.general == ["Model already exists. change it: PUT /api/models/x"]


@pytest.mark.parametrize(("text", "number"), [("", None), ("12", 12), (" 5,000 ", 5000), ("-3", -3)])
def test_whole_numbers(text: str, number: int | None) -> None:
    form = Filled({"n": text})
    assert form.whole("n") == number and not form.wrong


@pytest.mark.parametrize("text", ["x", "1.5", "1e3", "--1", "²", "9" * 13])
def test_what_is_no_whole_number_is_an_error_beside_its_field(text: str) -> None:
    form = Filled({"n": text})
    assert form.whole("n") is None and form.errors == {"n": "must be a whole number"}


def test_a_chart_has_round_axes_and_its_highest_value_inside() -> None:
    drawn = chart({"a": [(985.0, 0.0), (1000.0, 8.5)], "b": [(1000.0, 3.0)]}, "requests/s", 1000.0, 900)
    assert drawn and [tick.text for tick in drawn.up] == ["0", "2.5", "5", "7.5", "10"]
    assert [line.name for line in drawn.lines] == ["a", "b"]
    x, y = map(float, drawn.lines[0].path.rpartition("L")[2].split())
    assert x == drawn.right and drawn.top < y < drawn.bottom
    assert all(drawn.left <= tick.at <= drawn.right for tick in drawn.across) and len(drawn.across) >= 4
    ended = chart({"gone": [(900.0, 5.0)]}, "requests/s", 1000.0, 900)
    assert [line.latest for line in drawn.lines] == ["8.5", "3"] and ended and ended.lines[0].latest == "0"
    assert chart({}, "requests/s", 1000.0, 900) is None and chart({"a": []}, "requests/s", 1000.0, 900) is None


def test_growth_is_a_sum_by_the_labels_and_counts_from_nothing() -> None:
    assert grown('hits{a="b"}', "key1", "1m") == (
        'sum by (key1) (clamp_min(last_over_time(hits{a="b"}[1m]) - '
        '(hits{a="b"} offset 1m or last_over_time(hits{a="b"}[1m]) * 0), 0))'
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (-5, "5 s ago"), (-120, "2 min ago"), (-7200, "2 h ago"), (90_061, "in 1 d")]
)
def test_times_are_told_as_people_do(seconds: int, text: str) -> None:
    assert rendering.ago((datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()) == text


def test_figures_keep_what_matters() -> None:
    assert [rendering.figure(n) for n in (0, 0.25, 12.345, 5, 1204, 1204.6)] == [
        "0",
        "0.25",
        "12.3",
        "5",
        "1,204",
        "1,205",
    ]
    assert rendering.memory("24684092Ki") == "23.5 GiB" and rendering.memory("8Gi") == "8Gi"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_no_template_holds_what_the_policy_forbids_or_a_form_without_its_token(file: Path) -> None:
    text = file.read_text()
    assert not re.search(
        r"\sstyle=|\son[a-z]+=|javascript:|<style|<script(?! src=)|https?://(?!www\.w3\.org)|\|\s*safe", text
    )
    for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.DOTALL):
        assert 'name="csrf"' in form or "{{ hidden(csrf) }}" in form
