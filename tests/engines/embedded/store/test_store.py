"""The store: optimistic concurrency, ordered and resumable watches, validation, damage and full disks."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, Key
from iiab_lab.engines.embedded.store import watch as watching
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.errors import ApiError, LabError

REGISTRY = Registry.load()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "here"}, "data": data}


def deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"selector": {"matchLabels": {"app": "x"}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "here"}, "spec": body}


async def opened(path: Path) -> Store:
    store = await Store.open(path / "store.db", REGISTRY)
    if store.get(NAMESPACE, Key("", "here")) is None:
        await store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "here"}})
    return store


def in_store(test):
    def run(tmp_path: Path) -> None:
        async def body() -> None:
            store = await opened(tmp_path)
            try:
                await test(store)
            finally:
                await store.close()

        asyncio.run(body())

    run.__name__ = test.__name__
    return run


def refusal(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return error.value.code, error.value.reason


@in_store
async def test_a_created_object_has_identity_and_defaults(store: Store) -> None:
    made = (await store.create(DEPLOYMENT, deployment())).object()
    assert made["metadata"]["generation"] == 1 and made["metadata"]["uid"] and made["metadata"]["resourceVersion"]
    assert made["spec"]["replicas"] == 1 and made["spec"]["strategy"] == {"type": "RollingUpdate"}


@in_store
async def test_the_same_name_twice_is_already_exists(store: Store) -> None:
    await store.create(CONFIG_MAP, config_map("a"))
    with pytest.raises(ApiError) as error:
        await store.create(CONFIG_MAP, config_map("a"))
    assert refusal(error) == (409, "AlreadyExists")


@in_store
async def test_of_two_updates_from_one_revision_one_conflicts(store: Store) -> None:
    made = (await store.create(CONFIG_MAP, config_map("a"))).object()
    both = [store.update(CONFIG_MAP, {**made, "data": {"by": who}}) for who in ("x", "y")]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ApiError", "Entry"]


@in_store
async def test_generation_counts_changes_of_the_spec_only(store: Store) -> None:
    made = (await store.create(DEPLOYMENT, deployment())).object()
    made["metadata"]["labels"] = {"a": "b"}
    labelled = (await store.update(DEPLOYMENT, made)).object()
    labelled["status"] = {"replicas": 1}
    reported = (await store.update(DEPLOYMENT, labelled, subresource="status")).object()
    reported["spec"]["replicas"] = 2
    scaled = (await store.update(DEPLOYMENT, reported)).object()
    assert [o["metadata"]["generation"] for o in (labelled, reported, scaled)] == [1, 1, 2]
    assert scaled["status"] == {"replicas": 1}


@in_store
async def test_an_update_that_changes_nothing_writes_nothing(store: Store) -> None:
    made = await store.create(CONFIG_MAP, config_map("a", k="v"))
    assert (await store.update(CONFIG_MAP, made.object())).revision == made.revision == store.revision


@in_store
async def test_status_is_only_written_through_its_subresource(store: Store) -> None:
    made = (await store.create(DEPLOYMENT, deployment() | {"status": {"replicas": 7}})).object()
    assert "status" not in made
    made["status"] = {"replicas": 7}
    assert "status" not in (await store.update(DEPLOYMENT, made)).object()


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"replica": 2}, 400, 'unknown field "spec.replica"'),
        ({"replicas": "two"}, 422, 'Deployment.apps "d" is invalid: spec.replicas: Invalid value: "string"'),
        ({"replicas": -1}, 422, "spec.replicas: Invalid value: -1"),
        (
            {"template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 0}]}]}}},
            422,
            "containerPort",
        ),
        ({"template": {"spec": {"containers": []}}}, 422, "spec.template.spec.containers"),
        (
            {"template": {"spec": {"containers": [{"name": "c", "lifecycle": {}}]}}},
            400,
            'unknown field "spec.template.spec.containers[0].lifecycle"',
        ),
    ],
)
def test_a_wrong_field_is_named_by_its_path(tmp_path: Path, change: dict[str, Any], code: int, says: str) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(ApiError) as error:
            await store.create(DEPLOYMENT, deployment(**change))
        assert error.value.code == code and says in error.value.message, error.value.message

    in_store(body)(tmp_path)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a" * 254, "a/b", ".."])
def test_a_name_that_is_none_is_invalid(tmp_path: Path, name: str) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(ApiError) as error:
            await store.create(CONFIG_MAP, config_map(name))
        assert refusal(error) == (422, "Invalid")

    in_store(body)(tmp_path)


@in_store
async def test_a_field_without_effect_is_a_warning(store: Store) -> None:
    spec = {"containers": [{"name": "c", "image": "i", "securityContext": {"runAsUser": 1}}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "here"}, "spec": spec}
    made = await store.create(POD, pod)
    assert made.warnings == ("spec.containers[0].securityContext has no effect on the embedded engine",)


@in_store
async def test_nothing_is_created_in_a_namespace_that_is_missing_or_going(store: Store) -> None:
    with pytest.raises(ApiError) as error:
        await store.create(CONFIG_MAP, config_map("a") | {"metadata": {"name": "a", "namespace": "nowhere"}})
    assert refusal(error) == (404, "NotFound")
    namespace = (
        await store.create(
            NAMESPACE,
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going", "finalizers": ["kubernetes"]}},
        )
    ).object()
    await store.delete(NAMESPACE, Key("", namespace["metadata"]["name"]))
    with pytest.raises(ApiError) as error:
        await store.create(CONFIG_MAP, config_map("a") | {"metadata": {"name": "a", "namespace": "going"}})
    assert refusal(error) == (403, "Forbidden")


@in_store
async def test_finalizers_hold_an_object_until_the_last_is_gone(store: Store) -> None:
    made = config_map("a")
    made["metadata"]["finalizers"] = ["iiab.lab/x"]
    await store.create(CONFIG_MAP, made)
    marked = (await store.delete(CONFIG_MAP, Key("here", "a"))).object()
    assert marked["metadata"]["deletionTimestamp"] and store.get(CONFIG_MAP, Key("here", "a"))
    marked["metadata"]["finalizers"] = []
    await store.update(CONFIG_MAP, marked)
    assert store.get(CONFIG_MAP, Key("here", "a")) is None


@in_store
async def test_a_dry_run_validates_and_writes_nothing(store: Store) -> None:
    before = store.revision
    assert (await store.create(CONFIG_MAP, config_map("a"), dry_run=True)).object()["metadata"]["uid"]
    assert store.revision == before and store.get(CONFIG_MAP, Key("here", "a")) is None


@in_store
async def test_a_watch_sees_every_change_once_in_order_and_resumes(store: Store) -> None:
    since = store.revision
    for index in range(50):
        await store.create(CONFIG_MAP, config_map(f"m{index}"))
    await store.delete(CONFIG_MAP, Key("here", "m7"))
    first = store.watch(CONFIG_MAP, "here", since)
    seen = [await anext(first) for _ in range(51)]
    assert [c.entry.revision for c in seen] == list(range(since + 1, since + 52))
    assert seen[-1].type == "DELETED" and seen[-1].before is not None
    resumed = store.watch(CONFIG_MAP, "here", seen[20].entry.revision)
    assert await anext(resumed) == seen[21]


@in_store
async def test_a_watch_from_before_the_window_is_expired(store: Store) -> None:
    with pytest.raises(ApiError) as error:
        store.watch(CONFIG_MAP, None, -1)
    assert refusal(error) == (410, "Expired")


@in_store
async def test_a_watcher_that_does_not_read_is_cut_off_alone(store: Store) -> None:
    slow, brisk = store.watch(CONFIG_MAP), store.watch(CONFIG_MAP)
    made = (await store.create(CONFIG_MAP, config_map("a", n="-1"))).object()
    assert (await anext(brisk)).type == "ADDED"
    for index in range(watching.BEHIND + 1):
        made["data"] = {"n": str(index)}
        made = (await store.update(CONFIG_MAP, made)).object()
        assert (await anext(brisk)).entry.object()["data"] == {"n": str(index)}
    with pytest.raises(ApiError) as error:
        await anext(slow)
    assert error.value.code == 410


@in_store
async def test_readers_never_see_what_is_not_durable(store: Store) -> None:
    writing = asyncio.ensure_future(store.create(CONFIG_MAP, config_map("a")))
    await asyncio.sleep(0)
    seen_before_ack = store.get(CONFIG_MAP, Key("here", "a"))
    await writing
    assert seen_before_ack is None and store.get(CONFIG_MAP, Key("here", "a"))


@pytest.mark.parametrize("damage", ["pages", "a byte of one body", "no database at all"])
def test_a_damaged_file_is_named_and_set_aside_whole(tmp_path: Path, damage: str) -> None:
    asyncio.run(write_some(tmp_path))
    path = tmp_path / "store.db"
    content = bytearray(path.read_bytes())
    if damage == "pages":
        content[4096:8192] = os.urandom(4096)
    elif damage == "a byte of one body":
        content[content.index(b"yyyyyyyy") + 4] = ord("z")
    else:
        content[:] = b"hello"
    path.write_bytes(content)
    with pytest.raises(LabError, match="damaged") as error:
        asyncio.run(opened(tmp_path))
    (kept,) = tmp_path.glob("store.db.damaged-*")
    assert str(kept) in error.value.message and kept.read_bytes() == bytes(content)
    assert "iiab restore" in error.value.cure
    asyncio.run(opened_and_closed(tmp_path))  # what comes next begins anew, and was told so


async def opened_and_closed(folder: Path) -> None:
    await (await opened(folder)).close()


async def write_some(folder: Path) -> None:
    store = await opened(folder)
    await asyncio.gather(*(store.create(CONFIG_MAP, config_map(f"m{i}", p="y" * 900)) for i in range(200)))
    await store.close()


_FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from iiab_lab.errors import ApiError
from tests.engines.embedded.store.test_store import CONFIG_MAP, Key, config_map, opened
async def main():
    store = await opened(Path(sys.argv[1]))
    async def write(name):
        try:
            return (await store.create(CONFIG_MAP, config_map(name, p="x" * 5000))).key.name
        except ApiError as error:
            assert error.code == 507, error
            return ""
    await write("before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))  # the disk takes no byte beyond
    written = await asyncio.gather(*(write(f"m{i}") for i in range(400)))
    assert "" in written
    stored = {entry.key.name for entry in store.list(CONFIG_MAP)[1]}
    assert stored == set(written) - {""} | {"before"}, "what is read is what was acknowledged"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    after = await write("after")  # room again: the store goes on
    await store.close()
    print(json.dumps(sorted({*written, after, "before"} - {""})))
asyncio.run(main())
"""


def test_a_full_disk_refuses_writes_with_507_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    acknowledged = json.loads(done.stdout)
    assert "after" in acknowledged and "before" in acknowledged

    async def found() -> list[str]:
        store = await opened(tmp_path)
        names = sorted(entry.key.name for entry in store.list(CONFIG_MAP)[1])
        await store.close()
        return names

    assert asyncio.run(found()) == acknowledged


@in_store
async def test_a_list_of_the_past_is_what_it_was(store: Store) -> None:
    states: dict[int, list[tuple[str, dict[str, str]]]] = {}

    def now() -> list[tuple[str, dict[str, str]]]:
        return [(entry.key.name, entry.object()["data"]) for entry in store.list(CONFIG_MAP)[1]]

    for index in range(30):
        name = f"m{index % 7}"
        held = store.get(CONFIG_MAP, Key("here", name))
        if held and index % 3 == 0:
            await store.delete(CONFIG_MAP, held.key)
        elif held:
            await store.update(CONFIG_MAP, held.object() | {"data": {"n": str(index)}})
        else:
            await store.create(CONFIG_MAP, config_map(name, n=str(index)))
        states[store.revision] = now()
    for revision, state in states.items():
        _, entries = store.list(CONFIG_MAP, at=revision)
        assert [(entry.key.name, entry.object()["data"]) for entry in entries] == state
    with pytest.raises(ApiError) as error:
        store.list(CONFIG_MAP, at=store.oldest - 1)
    assert refusal(error) == (410, "Expired")


@in_store
async def test_a_watch_of_many_present_objects_is_not_cut_off_for_them(store: Store) -> None:
    for index in range(watching.BEHIND + 10):
        store._tables._committed.setdefault(CONFIG_MAP, {})[Key("here", f"m{index}")] = watching.Entry(
            Key("here", f"m{index}"), 1, b'{"metadata":{"name":"x"}}'
        )
    watch = store.watch(CONFIG_MAP)
    await store.create(CONFIG_MAP, config_map("one-more"))
    seen = [await anext(watch) for _ in range(watching.BEHIND + 11)]
    assert seen[-1].entry.key.name == "one-more"
