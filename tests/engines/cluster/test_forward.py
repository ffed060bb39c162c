"""A forward that ends is started again, and all of them end with their supervisor, which is found by what was written of it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from iiab_lab.engines.cluster import forward
from iiab_lab.engines.cluster.where import Where

from ...e2e.lab import eventually

STANDS = '#!/bin/sh\necho "$$ $*" >> {calls}\nexec sleep 60\n'


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "kubectl"
    program.write_text(STANDS.format(calls=tmp_path / "calls"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "calls"


def lines(calls: Path) -> list[str]:
    return calls.read_text().splitlines() if calls.exists() else []


def test_forwards_are_kept_and_end_together(calls: Path, tmp_path: Path) -> None:
    where = Where(tmp_path, context="lab")
    known = forward.start(where)
    try:
        eventually(lambda: len(lines(calls)) == 3)
        assert forward.runs(known) and any("service/prometheus 9090:9090" in line for line in lines(calls))
        assert all("--address 127.0.0.1" in line and "--context lab" in line for line in lines(calls))
        first = psutil.Process(int(lines(calls)[0].split()[0]))
        first.kill()
        eventually(lambda: len(lines(calls)) == 4)
        assert lines(calls)[3].split()[1:] == lines(calls)[0].split()[1:]
    finally:
        forward.stop(known)
    assert not forward.runs(known)
    eventually(lambda: not any(psutil.pid_exists(int(line.split()[0])) for line in lines(calls)))


def test_another_process_of_that_number_is_let_alone() -> None:
    forward.stop({"pid": os.getpid(), "started": 0.0})
    assert not forward.runs({"pid": os.getpid(), "started": 0.0}) and not forward.runs({})
