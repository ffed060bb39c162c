"""All or nothing: what is left where something is refused, what comes in which order, and whose namespace is not touched."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.errors import ApiError, NotReady, UsageError
from iiab_lab.tenants import Sizes, add_tenant, lives, remove_tenant, template, tenants

from .platform import Kube, place, target


@pytest.fixture
def kube() -> Kube:
    return Kube()


def test_everything_is_there_and_the_label_that_makes_it_a_tenant_comes_last(kube: Kube) -> None:
    assert add_tenant(target(kube), "blue") == "created"
    assert kube.objects == {place(obj): obj for obj in template.objects("blue", Sizes())}
    assert kube.wrote[0] == kube.wrote[-1] == ("Namespace", "", "blue")
    assert set(kube.tried) == set(kube.wrote[1:-1])


KINDS = sorted({obj["kind"] for obj in template.objects("blue", Sizes())} - {"Namespace"})  # which is written first


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["rejects", "refuses"])
def test_nothing_is_left_where_one_object_is_not_taken(when: str, kind: str) -> None:
    kube = Kube(**{when: kind})
    with pytest.raises(ApiError, match="forbidden"):
        add_tenant(target(kube), "blue")
    assert kube.objects == {}


def test_nothing_is_left_where_the_identity_service_does_not_come_round(kube: Kube, monkeypatch: Any) -> None:
    def late(*_: object, **__: object) -> None:
        raise NotReady("late", "wait")

    monkeypatch.setattr(kube, "wait", late)
    with pytest.raises(NotReady):
        add_tenant(target(kube), "blue")
    assert kube.objects == {}


def test_again_changes_nothing_or_its_share_alone_and_what_is_not_said_stays(kube: Kube) -> None:
    add_tenant(target(kube), "blue", cpu="4", models=3)
    assert add_tenant(target(kube), "blue") == "unchanged"
    assert add_tenant(target(kube), "blue", cpu="8") == "configured"
    (shown,) = tenants(target(kube))
    assert (shown.name, shown.cpu, shown.models) == ("blue", "0/8", "0/3")


def test_a_share_that_is_refused_leaves_the_tenant_as_it_was(kube: Kube) -> None:
    add_tenant(target(kube), "blue", cpu="4")
    before, kube.refuses = dict(kube.objects), "AuthorizationPolicy"
    with pytest.raises(ApiError):
        add_tenant(target(kube), "blue", cpu="8")
    assert kube.objects == before


def test_a_namespace_of_somebody_else_is_neither_taken_nor_removed(kube: Kube) -> None:
    kube.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"iiab.lab/tenant": "other"}}}
    )
    before = dict(kube.objects)
    for call in (add_tenant, remove_tenant):
        with pytest.raises(UsageError, match=r"no tenant's\.\n  → choose another name"):
            call(target(kube), "shop")
    assert kube.objects == before


def test_a_tenant_that_goes_takes_what_it_has_elsewhere_and_nothing_of_another(kube: Kube, monkeypatch: Any) -> None:
    asked: list[tuple[str, str]] = []

    class Management:
        def __init__(self, _: object) -> None: ...

        def call(self, method: str, path: str) -> None:
            asked.append((method, path))

    monkeypatch.setattr(lives, "Management", Management)
    add_tenant(target(kube), "green")
    others = dict(kube.objects)
    add_tenant(target(kube), "blue")
    for name in ("blue", "green"):
        door = {"name": f"model-{name}.iris", "namespace": "envoy-gateway-system", "labels": {"tenant": name}}
        kube.apply({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": door})
    others[place({"kind": "HTTPRoute", "metadata": door})] = kube.objects[
        ("HTTPRoute", "envoy-gateway-system", door["name"])
    ]
    assert remove_tenant(target(kube), "blue") is True
    assert kube.objects == others and asked == [("DELETE", "/api/admin/tenants/blue")]
    assert remove_tenant(target(kube), "blue") is False


def test_a_removal_that_was_broken_off_goes_on(kube: Kube) -> None:
    add_tenant(target(kube), "blue")
    kube.delete("v1", "Namespace", "blue")
    assert remove_tenant(target(kube), "blue") is True
    assert kube.objects == {}
