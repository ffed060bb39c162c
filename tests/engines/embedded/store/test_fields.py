"""Server-side apply: who owns a field, who may change it, and what goes when its owner no longer says it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.objects.kinds import DEPLOYMENT
from iiab_lab.engines.embedded.store.fields import managers, paths
from iiab_lab.engines.embedded.store.fields.apply import apply, created, merge
from iiab_lab.engines.embedded.store.fields.managers import Writer
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.errors import ApiError

SCHEMA = Registry.load().of(DEPLOYMENT).schema
ANN, BOB = Writer("ann", "Apply", "apps/v1"), Writer("bob", "Apply", "apps/v1")
ROBOT = Writer("robot", "Update", "apps/v1")
NOW = "2026-01-01T00:00:00Z"


def deployment(containers: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    if containers is not None:
        spec["template"] = {"spec": {"containers": containers}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def first(applied: dict[str, Any], writer: Writer = ANN) -> dict[str, Any]:
    stored = copy.deepcopy(applied)
    stored["metadata"]["managedFields"] = created(applied, SCHEMA, writer, NOW)
    return stored


def onto(live: dict[str, Any], applied: dict[str, Any], writer: Writer = ANN, force: bool = False) -> dict[str, Any]:
    return apply(live, applied, SCHEMA, writer, NOW, force=force)


def updated(live: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Somebody's plain update, recorded as the store does."""
    new = copy.deepcopy(live)
    new["spec"] |= spec
    entries = managers.updated(live["metadata"]["managedFields"], live, new, SCHEMA, ROBOT, NOW)
    new["metadata"]["managedFields"] = entries
    return new


def owners(obj: dict[str, Any], path: str) -> set[str]:
    held = managers.read(obj["metadata"]["managedFields"])
    return {who.manager for who, owned in held.items() if path in {paths.shown(p) for p in owned.fields}}


def test_what_was_applied_and_is_left_out_goes() -> None:
    live = first(deployment(replicas=2, paused=True))
    after = onto(live, deployment(replicas=2))
    assert after["spec"] == {"replicas": 2} and owners(after, ".spec.paused") == set()


def test_what_somebody_else_owns_too_stays() -> None:
    live = onto(first(deployment(replicas=2, paused=True)), deployment(paused=True), BOB)
    assert owners(live, ".spec.paused") == {"ann", "bob"}
    after = onto(live, deployment(replicas=2))
    assert after["spec"] == {"replicas": 2, "paused": True} and owners(after, ".spec.paused") == {"bob"}


def test_a_field_of_somebody_else_is_a_conflict_by_name_and_force_takes_it() -> None:
    live = updated(first(deployment(replicas=2)), replicas=5)
    assert owners(live, ".spec.replicas") == {"robot"}
    with pytest.raises(ApiError) as error:
        onto(live, deployment(replicas=2))
    assert error.value.code == 409
    assert 'Apply failed with 1 conflict: conflict with "robot" using apps/v1: .spec.replicas' in error.value.message
    assert error.value.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "robot" using apps/v1', "field": ".spec.replicas"}
    ]
    forced = onto(live, deployment(replicas=2), force=True)
    assert forced["spec"]["replicas"] == 2 and owners(forced, ".spec.replicas") == {"ann"}


def test_the_same_value_is_no_conflict_and_is_owned_by_both() -> None:
    live = updated(first(deployment(replicas=2)), replicas=5)
    assert owners(onto(live, deployment(replicas=5)), ".spec.replicas") == {"ann", "robot"}


def test_items_of_a_list_belong_to_those_who_applied_them() -> None:
    live = first(deployment([{"name": "a", "image": "i:1"}]))
    live = onto(live, deployment([{"name": "b", "image": "j:1"}]), BOB)
    containers = live["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in containers] == ["a", "b"]
    after = onto(live, deployment([]), BOB)
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["a"]


def test_an_item_that_somebody_else_has_a_part_of_keeps_its_key() -> None:
    live = first(deployment([{"name": "a", "image": "i:1"}]))
    live = onto(live, deployment([{"name": "a", "args": ["x"]}]), BOB)
    after = onto(live, deployment(replicas=1))
    assert after["spec"]["template"]["spec"]["containers"] == [{"name": "a", "args": ["x"]}]


def test_a_default_of_a_key_finds_the_item() -> None:
    port = {"containerPort": 80}
    live = first(deployment([{"name": "a", "ports": [port | {"protocol": "TCP"}]}]))
    after = onto(live, deployment([{"name": "a", "ports": [port | {"name": "http"}]}]))
    ports = after["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert len(ports) == 1 and ports[0]["name"] == "http"


def test_labels_belong_to_their_managers_one_by_one() -> None:
    mine, yours = deployment(replicas=1), deployment()
    mine["metadata"]["labels"], yours["metadata"]["labels"] = {"a": "1"}, {"b": "2"}
    live = onto(first(mine), yours, BOB)
    assert live["metadata"]["labels"] == {"a": "1", "b": "2"}
    assert onto(live, deployment(replicas=1))["metadata"]["labels"] == {"b": "2"}


def test_what_was_there_before_anybody_kept_record_is_not_lost() -> None:
    live = deployment(replicas=3, paused=True)
    after = onto(live, deployment(replicas=3))
    assert after["spec"] == {"replicas": 3, "paused": True}
    assert owners(after, ".spec.paused") == {managers.BEFORE_FIRST_APPLY}


def test_a_client_may_hand_ownership_over_and_forget_it() -> None:
    live = first(deployment(replicas=2))
    taken = copy.deepcopy(live)
    taken["metadata"]["managedFields"][0]["manager"] = "cleo"
    assert managers.base(live, taken)[0]["manager"] == "cleo"
    assert managers.base(live, live | {"metadata": {"managedFields": [{}]}}) == []
    assert managers.base(live, live | {"metadata": {}}) == live["metadata"]["managedFields"]
    garbage = live | {"metadata": {"managedFields": [{"fieldsV1": {"x": 1}}]}}
    assert managers.base(live, garbage) == live["metadata"]["managedFields"]


NAMES = st.sampled_from(["a", "b", "c"])
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": NAMES, "args": st.lists(NAMES, max_size=2)}),
    unique_by=lambda item: item["name"],
    max_size=3,
)
SPECS = st.builds(
    deployment,
    st.none() | CONTAINERS,
)
APPLIED = st.builds(
    lambda obj, more, labels: obj | {"spec": obj["spec"] | more, "metadata": {"name": "d", "labels": labels}},
    SPECS,
    st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3), "paused": st.booleans()}),
    st.dictionaries(NAMES, NAMES, max_size=2),
)


def says(obj: dict[str, Any]) -> paths.Paths:
    return paths.leaves(paths.owned(obj), paths.whole(SCHEMA))


@given(APPLIED, st.lists(st.tuples(st.sampled_from([ANN, BOB]), APPLIED), max_size=6))
def test_after_any_history_everything_applied_last_stands_and_nothing_unowned_is_left(
    begin: dict[str, Any], history: list[tuple[Writer, dict[str, Any]]]
) -> None:
    live, last = first(begin), {ANN: begin}
    for writer, applied in history:
        before = copy.deepcopy(applied)
        live = onto(live, applied, writer, force=True)
        assert applied == before
        last[writer] = applied
        assert merge(live, applied, paths.whole(SCHEMA)) == live, "what was applied stands"
        again = onto(live, applied, writer)
        assert again == live, "applying the same again changes nothing"
    held = managers.read(live["metadata"]["managedFields"])
    for writer, owned in held.items():
        assert owned.fields <= says(last[writer])
    union = {prefix for owned in held.values() for path in owned.fields for prefix in prefixes(path)}
    for path in says(live):
        assert path in union or paths.find(live, path) in ({}, []) or path[-1] == "f:name", path


def prefixes(path: paths.Path) -> list[paths.Path]:
    return [path[:depth] for depth in range(1, len(path) + 1)]


@given(APPLIED)
def test_fields_v1_says_the_same_paths_back(obj: dict[str, Any]) -> None:
    assert set(paths.untree(paths.tree(says(obj)))) == says(obj)


@given(APPLIED, APPLIED)
def test_a_difference_is_exactly_what_changes(old: dict[str, Any], new: dict[str, Any]) -> None:
    changed, removed = paths.diff(paths.owned(old), paths.owned(new), paths.whole(SCHEMA))
    assert changed <= says(new)
    assert not removed & says(new)
    assert says(new) - says(old) <= changed
