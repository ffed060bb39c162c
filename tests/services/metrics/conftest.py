"""Two real Prometheuses for all tests: one with the series of every namespace, one with those of `mine` alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .prometheus import NAMESPACES, Prometheus, running


@pytest.fixture(scope="session")
def prometheuses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Prometheus]]:
    folder, now = tmp_path_factory.mktemp("prometheus"), int(time.time())
    with running(folder / "all", NAMESPACES, now) as everybody, running(folder / "mine", ("mine",), now) as alone:
        yield everybody, alone
