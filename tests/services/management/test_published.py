"""What a publish request may say, and the objects it becomes: each accepted by our schemas and by upstream's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iiab_lab.engines.embedded.store import structural
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.published import objects
from iiab_lab.services.management.published.config import Config, merged, require_valid
from iiab_lab.services.management.published.publication import Former, Key, Publication, load

from ... import upstream

REGISTRY = Registry.load()
TENANTS = {"tenant-a": "tenant-a", "tenant-b": "tenant-b"}


def config(**more: Any) -> Config:
    return Config.model_validate({"tenantId": "tenant-a", **more})


def publication(**more: Any) -> Publication:
    keys = (
        Key("default-1", "default", "admin", "published-model-apikey-iris", "2026-01-01T00:00:00Z"),
        Key(
            "partner-2",
            "partner",
            "tenant-b",
            "published-model-apikey-iris-2",
            "2026-01-01T00:00:00Z",
            "",
            {"requestsPerMinute": 5},
        ),
    )
    stamp = "2026-01-01T00:00:00Z"
    return Publication("iris", "tenant-a", "tenant-a", "traditional", config(**more), keys, stamp, stamp)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rateLimiting": {"requestsPerMinute": 0}}, "rateLimiting.requestsPerMinute"),
        ({"rateLimiting": {"requestsPerHour": -1}}, "rateLimiting.requestsPerHour"),
        ({"rateLimiting": {"requestsPerMinute": 10, "requestsPerHour": 9}}, "rateLimiting.requestsPerMinute"),
        ({"rateLimiting": {"burstLimit": -1}}, "rateLimiting.burstLimit"),
        ({"rateLimiting": {"tokensPerHour": 1}}, "rateLimiting.tokensPerHour"),
        ({"authentication": {"requireApiKey": False}}, "authentication.requireApiKey"),
        ({"authentication": {"allowedTenants": ["nobody"]}}, "authentication.allowedTenants"),
        ({"modelType": "openai"}, "modelType"),
        ({"modelType": "magic"}, "modelType"),
        ({"overlapSeconds": -1}, "overlapSeconds"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
        *(
            ({"externalPath": path}, "externalPath")
            for path in ("models", "/", "/a/../b", "/a b", "/a?b", "/a//b", "/ä")
        ),
        *(
            ({"publicHostname": name}, "publicHostname")
            for name in (
                "https://a.example",
                "a.example/x",
                "a.example:80",
                "single",
                "-a.example",
                "a..example",
                "A.example",
                "a--b.example",
                "x" * 64 + ".example",
                "127.0.0.1",
                "identity.inference-in-a-box",
                "a.svc",
                "",
                "*.example",
            )
        ),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        require_valid(config(**wrong), "traditional", TENANTS)
    assert refused.value.status == 400 and f"{field}: " in refused.value.details


@pytest.mark.parametrize(
    "good", [{}, {"publicHostname": "models.example.com", "externalPath": "/a/b-c_d.e~f"}, {"modelType": "traditional"}]
)
def test_what_is_right_passes(good: dict[str, Any]) -> None:
    require_valid(config(**good), "traditional", TENANTS)


def test_an_update_keeps_what_it_leaves_out() -> None:
    before = config(externalPath="/a", rateLimiting={"requestsPerMinute": 7, "burstLimit": 3}, metadata={"a": "1"})
    after = merged(before, {"rateLimiting": {"requestsPerMinute": 8}, "metadata": {"b": "2"}})
    assert (after.externalPath, after.rateLimiting.requestsPerMinute, after.rateLimiting.burstLimit) == ("/a", 8, 3)
    assert after.metadata == {"b": "2"}


EVERY = [
    *objects.all_of(publication()),
    *objects.all_of(
        replace(publication(rateLimiting={"burstLimit": 9}), former=(Former("old.example.com", "/old", "x"),))
    ),
    objects.metadata(publication()),
    objects.secret(publication(), "s", "k", "v"),
    *objects.tenant_door("iris", "tenant-a", "tenant-a"),
    objects.hostname_objects("models.example.com")[0],
]


@pytest.mark.parametrize("obj", EVERY, ids=lambda obj: f"{obj['kind']}/{obj['metadata']['name']}")
def test_every_object_is_valid_here_and_upstream(obj: dict[str, Any]) -> None:
    resource = REGISTRY.for_object(obj)
    assert resource and list(structural.unknown_fields(obj, resource.schema)) == []
    structural.check(obj, resource.schema, obj["kind"], "")
    group, _, version = obj["apiVersion"].rpartition("/")
    if schema := upstream.schema(group, obj["kind"], version):
        assert list(structural.unknown_fields(obj, schema)) == []
        structural.check(obj, schema, obj["kind"], "")


@pytest.mark.parametrize(("one", "other"), [(("a", "b-c"), ("a-b", "c")), (("a", "x"), ("a", "x-jwt"))])
def test_two_models_whose_objects_would_have_one_name_are_told_apart(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert objects.names(*one) & objects.names(*other)
    doors = [
        {obj["metadata"]["name"] for obj in objects.tenant_door(model, space, space)} for space, model in (one, other)
    ]
    assert not doors[0] & doors[1]


def test_what_is_remembered_is_what_was_published() -> None:
    before = replace(publication(), former=(Former("old.example.com", "/old", "2026-01-01T00:00:00Z"),))
    assert load(objects.metadata(before)) == before


def test_the_limits_of_a_minute_an_hour_and_a_second() -> None:
    limited = publication(rateLimiting={"requestsPerMinute": 100, "requestsPerHour": 5000, "burstLimit": 20})
    policies = [obj for obj in objects.all_of(limited) if obj["kind"] == "BackendTrafficPolicy"]
    rules = {p["metadata"]["name"]: p["spec"]["rateLimit"]["global"]["rules"] for p in policies}
    by_key, by_token = (
        rules["published-model-rate-limit-tenant-a-iris"],
        rules["published-model-rate-limit-tenant-a-iris-jwt"],
    )
    said = [(rule["limit"]["requests"], rule["limit"]["unit"]) for rule in by_key]
    assert said == [(120, "Minute"), (5000, "Hour"), (120, "Second"), (5, "Minute")]
    assert {r["clientSelectors"][0]["headers"][0]["name"] for r in by_token} == {"x-jwt-sub"}
    assert all(policy["spec"]["mergeType"] for policy in policies)
