"""A tenant that goes: what the service takes back, in which order, and whose lists forget it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.withdrawal import withdraw

ADMIN: Any = "admin"


def publication(model: str, namespace: str, *allowed: str) -> Any:
    authentication = SimpleNamespace(allowedTenants=[*allowed])
    return SimpleNamespace(model=model, namespace=namespace, config=SimpleNamespace(authentication=authentication))


class Lab:
    """Notes what is asked of each of its parts."""

    def __init__(self, *published: Any) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.callers = SimpleNamespace(namespace=self._namespace)
        self.publisher = SimpleNamespace(
            listed=lambda _: [*published], update=self._note("update"), unpublish=self._note("unpublish")
        )
        models = [{"metadata": {"name": "iris"}}, {"metadata": {"name": "wine"}}]
        self.models = SimpleNamespace(listed=lambda _, namespace: models, delete=self._note("delete"))
        self.registry = SimpleNamespace(forget=lambda namespace: self.done.append(("forget", namespace)))

    def _namespace(self, tenant: str) -> str:
        if tenant != "blue":
            raise Refused(404, f"There is no tenant {tenant}", "")
        return "blue-space"

    def _note(self, what: str) -> Any:
        return lambda _, *said: self.done.append((what, *said))


def test_others_forget_it_before_its_doors_shut_and_its_models_go_last() -> None:
    lab: Any = Lab(
        publication("iris", "blue-space", "blue", "green"),
        publication("theirs", "green", "red", "blue"),
        publication("shut", "green", "red"),
    )
    told = withdraw(lab, ADMIN, "blue")
    assert lab.done == [
        ("update", "theirs", {"authentication": {"allowedTenants": ["red"]}}, "green"),
        ("unpublish", "iris", "blue-space"),
        ("delete", "iris", "blue-space"),
        ("delete", "wine", "blue-space"),
        ("forget", "blue-space"),
    ]
    assert told == {"tenant": "blue", "unpublished": ["iris"], "deleted": ["iris", "wine"]}


def test_of_a_tenant_there_is_not_nothing_is_touched() -> None:
    lab: Any = Lab(publication("iris", "blue-space"))
    with pytest.raises(Refused):
        withdraw(lab, ADMIN, "red")
    assert lab.done == []
