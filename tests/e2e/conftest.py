"""One platform for all tests that leave it as they found it; a fresh one for those that do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab, running


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab") / "home") as lab:
        yield lab


@pytest.fixture(scope="module")
def fresh_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("fresh") / "home") as lab:
        yield lab


@pytest.fixture(scope="session")
def tokens(lab: Lab) -> dict[str, str]:
    return {tenant: lab.token(tenant) for tenant in ("tenant-a", "tenant-b")}
