"""The notebooks that load both cores for minutes, twice in a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..e2e.lab import running
from ..e2e.test_notebooks import LONG, NOTEBOOKS


@pytest.mark.parametrize("name", sorted(LONG))
def test_it_runs_to_its_end_twice(name: str, tmp_path: Path) -> None:
    with running(tmp_path / "home") as lab:
        for _ in range(2):
            done = lab.iiab("run", str(NOTEBOOKS / f"{name}.ipynb"), "--report", str(tmp_path / "out"))
            assert re.search(r"(\d+) of \1 checks passed in 1 notebook", done.stdout)
