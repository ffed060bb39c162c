"""Which keys an issuer has, what the next is called, and which of them go: the Secret as data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iiab_lab.errors import NotReady, UsageError
from iiab_lab.traffic import signing_keys

NAMES = ("key-0001", "tenant-a.key-0001", "tenant-a.key-0009", "tenant-b.key-0001")


class Kube:
    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names, self.patched = names, []

    def get(self, *_: str) -> Any:
        return None if self.names is None else {"data": {f"{name}.pem": "" for name in self.names}}

    def list(self, *_: str, **__: str) -> Any:
        labels = ({"iiab.lab/tenant": f"tenant-{letter}"} for letter in "abc")
        return [{"metadata": {"name": "x", "labels": one}} for one in labels]

    def merge(self, *given: Any) -> None:
        self.patched.append({name: bool(value) for name, value in given[-1]["data"].items()})


def target(names: tuple[str, ...] | None = NAMES) -> Any:
    return SimpleNamespace(kube=Kube(names))


@pytest.mark.parametrize(
    ("tenant", "known", "new", "old"),
    [
        ("tenant-a", ["tenant-a.key-0001", "tenant-a.key-0009"], "tenant-a.key-0010", ["tenant-a.key-0001"]),
        ("tenant-b", ["tenant-b.key-0001"], "tenant-b.key-0002", []),
        ("admin", ["key-0001"], "key-0002", []),
    ],
)
def test_each_issuer_has_its_own(tenant: str, known: list[str], new: str, old: list[str]) -> None:
    one = target()
    assert signing_keys.ids(one, tenant) == known
    assert signing_keys.rotate(one, tenant) == new and signing_keys.retire(one, tenant) == old
    assert one.kube.patched == [{f"{new}.pem": True}, *([{f"{kid}.pem": False for kid in old}] if old else [])]


def test_who_is_no_tenant_has_none() -> None:
    with pytest.raises(UsageError, match="no tenant 'nobody'"):
        signing_keys.rotate(target(), "nobody")


def test_before_the_service_has_started_there_are_none() -> None:
    with pytest.raises(NotReady):
        signing_keys.ids(target(None), "tenant-a")
