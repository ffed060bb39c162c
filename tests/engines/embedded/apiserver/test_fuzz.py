"""Whatever is sent, the API server answers with a Status of its own, never with a failure of ours, and goes on."""

from __future__ import annotations

import copy
import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from iiab_lab.engines.embedded.objects.kinds import NAMESPACE
from iiab_lab.engines.embedded.store.registry import Registry, Resource
from iiab_lab.kube import Kube

from .conftest import Running

SCALAR = st.none() | st.booleans() | st.integers(-(2**40), 2**70) | st.floats() | st.text(max_size=12)
ANY = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
RESOURCES = sorted(Registry.load(), key=lambda resource: resource.kind)
DOCUMENTS = sorted({f"apis/{r.kind.group}/{r.kind.version}" if r.kind.group else "api/v1" for r in RESOURCES})
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "json-patch+json")
# What stands where something else should.
ODD = (
    *(None, True, 0, -1, 1.5, 2**53, "", "a", "-", "x" * 300, [], {}, [None], [[]], [{}], ["a"], [1, 1], {"": None}),
    *({"a": {"a": {}}}, {"$patch": "delete"}, {"$patch": "replace"}, [{"$patch": "delete"}], [{"$patch": "replace"}]),
)
WORDS = (
    "",
    "a",
    "fuzz",
    "1",
    "8080",
    "100m",
    "2Gi",
    "50%",
    "http",
    "a.b/c",
    "2026-01-01T00:00:00Z",
    "Always",
    "é",
    "=",
)

DELETE_OPTIONS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "preconditions": {"type": "object", "properties": {"uid": {}, "resourceVersion": {}}},
        "dryRun": {"type": "array", "items": {"enum": ["All"]}},
        "gracePeriodSeconds": {"type": "integer"},
        "propagationPolicy": {"enum": ["Background", "Foreground", "Orphan"]},
        "orphanDependents": {"type": "boolean"},
    },
}


def efforts(long: int) -> Any:
    return pytest.mark.parametrize("effort", [1, pytest.param(long, marks=pytest.mark.soak)])


def fuzzed(examples: int) -> settings:
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True)
def namespace(kube: Kube) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fuzz"}})


def send(kube: Kube, method: str, path: str, body: Any = None, content: str = "application/json", **more: Any) -> Any:
    headers = {"Content-Type": content} | more.pop("headers", {})
    return answered(kube.session.request(method, kube.server + path, data=body, headers=headers, timeout=20, **more))


def answered(answer: Any) -> Any:
    """504 is Kubernetes' own answer to a resourceVersion of the future."""
    code, text = answer.status_code, answer.content.decode()
    assert code < 500 or code == 504, f"{answer.request.method} {answer.request.url} {answer.request.body!r}: {text}"
    if code >= 400:
        said = json.loads(text)
        assert (said["kind"], said["status"], said["code"]) == ("Status", "Failure", code) and said["message"]
    return answer


def collection(resource: Resource) -> str:
    kind = resource.kind
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return f"{root}/namespaces/fuzz/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"


@efforts(3)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_documented_operation_answers(kube: Kube, document: str, mode: GenerationMode, effort: int) -> None:
    """With a little effort each operation is tried in one mode, with more in both."""
    schema = schemathesis.openapi.from_dict(kube.raw("GET", f"/openapi/v3/{document}").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations if effort > 1 else operations[mode == GenerationMode.NEGATIVE :: 2]:
        if mode == GenerationMode.NEGATIVE and not operation.query and not operation.body:
            continue  # there is nothing to be wrong

        @fuzzed(effort)
        @given(case=operation.as_strategy(mode))
        def runs(case: schemathesis.Case) -> None:
            if mode == GenerationMode.POSITIVE:  # one and the same object, so that it exists sometimes
                case.path_parameters = dict.fromkeys(case.path_parameters, "fuzz")
            if isinstance(case.body, dict) and isinstance(case.body.get("metadata"), dict):
                case.body["metadata"]["name"] = "fuzz"
            answered(case.call(kube.server, kube.session, timeout=20))

        runs()


def grown(schema: dict[str, Any], chance: random.Random, depth: int = 0) -> Any:
    """A value that fits a schema in most places."""
    if chance.random() < 0.06 or depth > 12:
        return odd(chance)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kind = schema.get("type", "string")
    if kind == "object":
        known, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        names = {*chance.sample(sorted(known), min(len(known), 5)), *schema.get("required", ())}
        made = {name: grown(known.get(name, {}), chance, depth + 1) for name in sorted(names)}
        return made | ({"a": grown(rest, chance, depth + 1)} if isinstance(rest, dict) else {})
    if kind == "array":
        return [grown(schema.get("items", {}), chance, depth + 1) for _ in range(chance.choice([0, 1, 1, 2]))]
    numbers = {"integer": (0, 1, 80, -1, 2**31), "number": (0, 0.5), "boolean": (True, False)}
    return chance.choice(numbers.get(kind, WORDS))


def odd(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(ODD))


def metadata(chance: random.Random) -> Any:
    whole = {"labels", "annotations", "finalizers", "ownerReferences", "managedFields", "generateName", "generation"}
    some = {name: odd(chance) for name in sorted(whole) if chance.random() < 0.08}
    return {"name": "fuzz"} | some if chance.random() < 0.95 else odd(chance)


def json_patch(value: Any, chance: random.Random) -> Any:
    """A JSON patch of places that an object has, or almost has."""
    paths = ["", "/", "/spec", "/spec/0", "/metadata/labels/a", "/metadata/name", "/spec/-", "/data/a", "/status", "a"]
    return [
        {"op": chance.choice(["add", "replace", "remove", "test", "copy", "move", "", None]), "path": path}
        | ({"value": value} if chance.random() < 0.8 else {"from": chance.choice(paths)})
        for path in chance.sample(paths, 2)
    ]


@efforts(20)
def test_any_value_in_any_known_field_gets_an_answer(kube: Kube, effort: int) -> None:
    """And what was stored of it can be shown: as an object, as a table, as YAML."""

    @fuzzed(250 * effort)
    @given(resource=st.sampled_from(RESOURCES), seed=st.integers(0, 2**32))
    def runs(resource: Resource, seed: int) -> None:
        chance, path = random.Random(seed), collection(resource)
        obj = grown(resource.schema | {"type": "object"}, chance)
        if isinstance(obj, dict):
            obj |= {"apiVersion": resource.kind.api_version, "kind": resource.kind.kind, "metadata": metadata(chance)}
        send(kube, "POST", path, json.dumps(obj))
        for content in ("json", *PATCHES):
            body = json_patch(obj, chance) if content == "json-patch+json" else obj
            query = {"fieldManager": "f", "force": "1"} if "apply" in content else {}
            method, where = "PUT" if content == "json" else "PATCH", chance.choice(["", "", "/status", "/scale"])
            send(kube, method, f"{path}/fuzz{where}", json.dumps(body), f"application/{content}", params=query)
        for accept in ("application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"):
            send(kube, "GET", path, headers={"Accept": accept})
        if resource.kind != NAMESPACE:
            send(kube, "DELETE", f"{path}/fuzz", json.dumps(grown(DELETE_OPTIONS, chance)))

    runs()


@efforts(20)
def test_any_bytes_anywhere_get_an_answer(kube: Kube, effort: int) -> None:
    @fuzzed(80 * effort)
    @given(
        body=st.binary(max_size=200) | ANY.map(json.dumps),
        path=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=40),
        content=st.sampled_from(
            ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "", "text/plain"]
        ),
        method=st.sampled_from(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
    )
    def runs(body: Any, path: str, content: str, method: str) -> None:
        assert send(kube, "POST", "/api/v1/namespaces/fuzz/configmaps", body, content).status_code >= 400
        for root in ("/", "/api/v1/", "/apis/apps/v1/namespaces/fuzz/", "/api/v1/namespaces/fuzz/pods/"):
            answer = kube.session.request(method, kube.server + root + requests.utils.quote(path, safe="/"), timeout=20)
            assert answer.status_code < 500, answer.text

    runs()


LIST_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(values) | st.text(max_size=6)
        for name, values in {
            "resourceVersion": ["", "0", "1", "999999999", "-1"],
            "resourceVersionMatch": ["Exact", "NotOlderThan"],
            "sendInitialEvents": ["true", "false"],
            "allowWatchBookmarks": ["true", "1"],
            "labelSelector": ["a=b", "a in (b,c)", "!a", "a notin ()", "a>1", ","],
            "fieldSelector": ["metadata.name=a", "metadata.name!=a", "spec.x=1", "=", "metadata.namespace=fuzz"],
            "limit": ["1", "0", "-1", "9" * 30],
            "continue": ["x", "e30=", "WzEsMSwxXQ==", "W10=", "WzFlOTk5LDEsMV0="],
            "pretty": ["true"],
        }.items()
    },
)


@efforts(20)
def test_any_options_of_lists_and_watches_get_an_answer(kube: Kube, server: Running, effort: int) -> None:
    """Watches that begin end by themselves, after a second; many run at once."""

    def watch(path: str, query: dict[str, str]) -> None:
        send(Kube(server.kubeconfig), "GET", path, params={"timeoutSeconds": "1"} | query | {"watch": "1"})

    @fuzzed(2 * effort)
    @given(queries=st.lists(LIST_OPTIONS, min_size=12, max_size=12), resource=st.sampled_from(RESOURCES))
    def runs(queries: list[dict[str, str]], resource: Resource) -> None:
        for query in queries:
            send(kube, "GET", collection(resource), params=query)
        with ThreadPoolExecutor(6) as crowd:
            list(crowd.map(watch, [collection(resource)] * len(queries), queries))

    runs()
