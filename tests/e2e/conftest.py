"""One platform for all tests that leave it as they found it; a fresh one for those that do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iiab_lab import Target, apply

from .lab import Lab, running


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab") / "home") as lab:
        yield lab


@pytest.fixture(scope="session")
def target(lab: Lab) -> Target:
    return Target.connect(home=lab.home)


@pytest.fixture(scope="module")
def fresh_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("fresh") / "home") as lab:
        yield lab


@pytest.fixture
def without_network_policies(target: Target) -> Iterator[None]:
    """tenant-a's are set aside meanwhile."""
    kind = ("networking.k8s.io/v1", "NetworkPolicy")
    for one in target.kube.list(*kind, "tenant-a"):
        target.kube.delete(*kind, one["metadata"]["name"], "tenant-a")
    yield
    apply(target, "tenants/tenant-a.yaml")


@pytest.fixture(scope="session")
def tokens(lab: Lab) -> dict[str, str]:
    return {tenant: lab.token(tenant) for tenant in ("tenant-a", "tenant-b")}
