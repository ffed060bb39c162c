"""Thousands of queries of every form: none tells anything of others."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given, settings

from ..services.metrics.noninterference import Trial
from ..services.metrics.prometheus import NAMESPACES, running
from ..services.metrics.queries import queries


def test_no_query_of_thousands_shows_anything_of_others(tmp_path: Path) -> None:
    now = int(time.time())
    with running(tmp_path / "all", NAMESPACES, now) as everybody, running(tmp_path / "mine", ("mine",), now) as alone:
        trial = Trial(everybody, alone)

        @settings(max_examples=5000, deadline=None, database=None)
        @given(queries)
        def generated(text: str) -> None:
            trial.check(text)

        generated()
        print(dict(trial.seen))
        assert trial.seen["own"] > 500 and trial.seen["unconfined differs"] > 500
