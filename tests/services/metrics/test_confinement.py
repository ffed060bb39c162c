"""The tenant's view against a real Prometheus: nothing of others comes through, by any query and by any listing."""

from __future__ import annotations

from hypothesis import given, settings

from .noninterference import Trial
from .prometheus import Prometheus
from .queries import queries


def test_no_query_shows_anything_of_others(prometheuses: tuple[Prometheus, Prometheus]) -> None:
    trial = Trial(*prometheuses)

    @settings(max_examples=150, deadline=None, database=None)
    @given(queries)
    def generated(text: str) -> None:
        trial.check(text)

    generated()
    # It was no empty talk: owners saw theirs, and what was not confined would have told.
    assert trial.seen["own"] > trial.seen["asked"] / 10 and trial.seen["unconfined differs"] > trial.seen["asked"] / 10
    assert trial.seen["refused"] < trial.seen["asked"] / 2, trial.seen
