"""What becomes of objects whose owner goes: collected, waited for, let go, and never by mistake."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, eventually, refusal

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
Object = dict[str, Any]


def owner_of(obj: Object, **more: Any) -> Object:
    names = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    return names | {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]} | more


class Maps:
    """ConfigMaps of one namespace, which own each other."""

    def __init__(self, kube: Kube, space: str) -> None:
        self.kube, self.path = kube, f"/api/v1/namespaces/{space}/configmaps"

    def make(self, name: str, *owners: Object, **meta: Any) -> Object:
        body = {"metadata": {"name": name, "ownerReferences": list(owners)} | meta}
        made: Object = self.kube.raw("POST", self.path, json=body).json()
        return made

    def delete(self, name: str, policy: str = "Background") -> None:
        self.kube.raw("DELETE", f"{self.path}/{name}", json={"propagationPolicy": policy})

    def get(self, name: str) -> Object | None:
        return next((item for item in self.all() if item["metadata"]["name"] == name), None)

    def all(self) -> list[Object]:
        items: list[Object] = self.kube.raw("GET", self.path).json()["items"]
        return items

    def names(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.all()} - {"kube-root-ca.crt"}

    def release(self, name: str) -> None:
        self.kube.raw("PATCH", f"{self.path}/{name}", json={"metadata": {"finalizers": None}}, headers=MERGE)


@pytest.fixture
def maps(kube: Kube, space: str) -> Maps:
    return Maps(kube, space)


def test_what_an_owner_leaves_behind_is_collected_down_to_the_last(maps: Maps) -> None:
    first = maps.make("first")
    second = maps.make("second", owner_of(first))
    maps.make("third", owner_of(second))
    maps.make("other")
    maps.delete("first")
    eventually(lambda: maps.names() == {"other"})


def test_an_object_of_two_owners_goes_with_the_last(maps: Maps) -> None:
    one, two = maps.make("one"), maps.make("two")
    maps.make("child", owner_of(one), owner_of(two))
    maps.make("only", owner_of(one))
    maps.delete("one")
    eventually(lambda: maps.names() == {"two", "child"})
    left = lambda: [o["name"] for o in (maps.get("child") or {})["metadata"]["ownerReferences"]]  # noqa: E731
    eventually(lambda: left() == ["two"])
    maps.delete("two")
    eventually(lambda: maps.names() == set())


def test_foreground_deletion_waits_for_those_that_block(maps: Maps) -> None:
    owner = maps.make("owner")
    maps.make("blocks", owner_of(owner, blockOwnerDeletion=True), finalizers=["test/hold"])
    maps.make("follows", owner_of(owner), finalizers=["test/hold"])
    maps.delete("owner", "Foreground")
    going = eventually(lambda: maps.get("owner"))
    assert going["metadata"]["finalizers"] == ["foregroundDeletion"] and going["metadata"]["deletionTimestamp"]
    eventually(lambda: (maps.get("blocks") or {})["metadata"].get("deletionTimestamp"))
    assert maps.get("owner")
    maps.release("blocks")
    eventually(lambda: maps.names() == {"follows"})
    eventually(lambda: (maps.get("follows") or {})["metadata"].get("deletionTimestamp"))
    maps.release("follows")
    eventually(lambda: maps.names() == set())


def test_foreground_deletion_spares_what_another_owner_keeps(maps: Maps) -> None:
    one, two = maps.make("one"), maps.make("two")
    maps.make("child", owner_of(one, blockOwnerDeletion=True), owner_of(two))
    maps.delete("one", "Foreground")
    eventually(lambda: maps.names() == {"two", "child"})
    assert (maps.get("child") or {})["metadata"].get("deletionTimestamp") is None


def test_foreground_deletion_goes_on_once_a_dependent_names_its_owner_no_longer(maps: Maps) -> None:
    maps.make("child", owner_of(maps.make("owner"), blockOwnerDeletion=True), finalizers=["test/hold"])
    maps.delete("owner", "Foreground")
    eventually(lambda: (maps.get("child") or {})["metadata"].get("deletionTimestamp"))
    patch = {"metadata": {"ownerReferences": None}}
    maps.kube.raw("PATCH", f"{maps.path}/child", json=patch, headers=MERGE)
    eventually(lambda: maps.names() == {"child"})
    maps.release("child")


def test_foreground_deletion_goes_from_the_leaves_up(maps: Maps) -> None:
    top = maps.make("top")
    middle = maps.make("middle", owner_of(top, blockOwnerDeletion=True))
    maps.make("leaf", owner_of(middle, blockOwnerDeletion=True), finalizers=["test/hold"])
    maps.delete("top", "Foreground")
    eventually(lambda: (maps.get("leaf") or {})["metadata"].get("deletionTimestamp"))
    assert maps.names() == {"top", "middle", "leaf"}
    maps.release("leaf")
    eventually(lambda: maps.names() == set())


def test_foreground_deletion_of_an_owner_of_nothing_is_soon_over(maps: Maps) -> None:
    maps.make("alone")
    maps.delete("alone", "Foreground")
    eventually(lambda: maps.names() == set())


def test_orphans_stay_and_forget_their_owner(maps: Maps) -> None:
    one, two = maps.make("one"), maps.make("two")
    maps.make("a", owner_of(one))
    maps.make("b", owner_of(one), owner_of(two))
    maps.delete("one", "Orphan")
    eventually(lambda: maps.names() == {"two", "a", "b"})
    assert not (maps.get("a") or {})["metadata"].get("ownerReferences")
    assert [o["name"] for o in (maps.get("b") or {})["metadata"]["ownerReferences"]] == ["two"]


def test_an_owner_of_another_uid_is_no_owner(maps: Maps) -> None:
    first = maps.make("owner")
    maps.make("child", owner_of(first), finalizers=["test/hold"])
    maps.delete("owner")
    maps.make("owner")
    eventually(lambda: (maps.get("child") or {})["metadata"].get("deletionTimestamp"))
    maps.release("child")
    eventually(lambda: maps.names() == {"owner"})
    maps.make("late", owner_of(first))
    eventually(lambda: maps.names() == {"owner"})


def test_an_owner_that_never_was_takes_its_dependents_along(maps: Maps) -> None:
    nobody = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "00000000-0000-0000-0000-000000000000"}
    maps.make("child", nobody)
    eventually(lambda: maps.names() == set())


def test_an_owner_in_another_namespace_is_none(kube: Kube, maps: Maps, space: str) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{space[:50]}-2"}})
    others = Maps(kube, f"{space[:50]}-2")
    others.make("child", owner_of(others.make("owner")))
    maps.make("child", owner_of(others.get("owner") or {}))
    eventually(lambda: maps.names() == set())
    others.make("late", owner_of(others.get("owner") or {}))
    assert others.names() == {"owner", "child", "late"}, "a false reference elsewhere harms nobody"


def test_a_cluster_scoped_owner_owns_in_every_namespace(kube: Kube, maps: Maps, space: str) -> None:
    role = kube.raw("POST", ROLES, json={"metadata": {"name": space}}).json()
    maps.make("child", owner_of(role))
    second = kube.raw("POST", ROLES, json={"metadata": {"name": f"{space}-2", "ownerReferences": [owner_of(role)]}})
    assert second.status_code == 201
    kube.raw("DELETE", f"{ROLES}/{space}")
    eventually(lambda: maps.names() == set())
    eventually(lambda: kube.get("rbac.authorization.k8s.io/v1", "ClusterRole", f"{space}-2") is None)


def test_nothing_cluster_scoped_is_collected_for_an_owner_in_a_namespace(kube: Kube, maps: Maps, space: str) -> None:
    """In no namespace there is no such owner to look for: it cannot be known to be gone, so nothing is deleted."""
    owner = maps.make("owner")
    body = {"metadata": {"name": space, "ownerReferences": [owner_of(owner)]}}
    kube.raw("POST", ROLES, json=body)
    maps.make("child", owner_of(owner))
    maps.delete("owner")
    eventually(lambda: maps.names() == set())
    assert kube.raw("GET", f"{ROLES}/{space}").json()["metadata"].get("deletionTimestamp") is None
    kube.raw("DELETE", f"{ROLES}/{space}")


def test_an_owner_of_a_kind_that_is_not_served_is_not_taken_for_gone(maps: Maps) -> None:
    owner, unknown = maps.make("owner"), {"apiVersion": "nothing.example.com/v1", "kind": "Thing", "name": "x"}
    maps.make("kept", unknown | {"uid": "1"}, owner_of(owner))
    maps.make("gone", owner_of(owner))
    maps.delete("owner")
    eventually(lambda: maps.names() == {"kept"})


def test_dependents_are_collected_once_they_name_an_owner_that_is_gone(maps: Maps) -> None:
    owner = maps.make("owner")
    maps.make("child")
    maps.delete("owner")
    patch = {"metadata": {"ownerReferences": [owner_of(owner)]}}
    maps.kube.raw("PATCH", f"{maps.path}/child", json=patch, headers=MERGE)
    eventually(lambda: maps.names() == set())


@pytest.mark.parametrize(
    ("owners", "field"),
    [
        ([{"uid": "1"}], "metadata.ownerReferences"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}], "metadata.ownerReferences.uid"),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": "1"}], "metadata.ownerReferences.name"),
        ([{"apiVersion": "", "kind": "ConfigMap", "name": "x", "uid": "1"}], "metadata.ownerReferences.apiVersion"),
        (
            [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": True}
                for name in ("a", "b")
            ],
            "Only one reference can have Controller set to true",
        ),
    ],
)
def test_a_reference_that_names_nobody_is_invalid(maps: Maps, owners: list[Object], field: str) -> None:
    code, reason, message = refusal(lambda: maps.make("child", *owners))
    assert (code, reason) == (422, "Invalid") and field in message


@pytest.mark.parametrize("owners", [["x"], [None], [{"apiVersion": 1, "kind": "K", "name": "n", "uid": "u"}]])
def test_a_reference_that_is_none_is_a_bad_request(maps: Maps, owners: list[Any]) -> None:
    assert refusal(lambda: maps.make("child", *owners))[0] == 400
    first = maps.make("still")
    maps.make("collected", owner_of(first))
    maps.delete("still")
    eventually(lambda: maps.names() == set())
