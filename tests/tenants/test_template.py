"""One template: what is in `manifests/tenants/` is what `iiab tenant add` makes, and no name or size writes anything else."""

from __future__ import annotations

import pytest

from iiab_lab.assets import manifests
from iiab_lab.errors import UsageError
from iiab_lab.tenants import template
from iiab_lab.tenants.template import HARD, Sizes

TENANTS = ("tenant-a", "tenant-b", "tenant-c")


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_tenant_of_the_manifests_is_one_that_is_added(tenant: str) -> None:
    assert (manifests() / "tenants" / f"{tenant}.yaml").read_text() == template.text(tenant, Sizes())


def test_every_tenant_has_a_manifest_of_its_own() -> None:
    assert sorted(file.stem for file in (manifests() / "tenants").iterdir()) == [*TENANTS]


def test_nothing_outside_its_namespace_is_without_its_label() -> None:
    """By it, whoever removes a tenant knows what is its own."""
    for obj in template.objects("blue", Sizes()):
        labels = obj["metadata"].get("labels") or {}
        assert obj["metadata"].get("namespace", "") == "blue" or labels["iiab.lab/tenant"] == "blue"


def test_sizes_are_read_as_they_were_written() -> None:
    sizes = Sizes("500m", "1.5Gi", "3Gi", 0, 2)
    quota = next(obj for obj in template.objects("blue", sizes) if obj["kind"] == "ResourceQuota")
    assert Sizes.of(quota) == sizes and {*HARD.values()} <= quota["spec"]["hard"].keys()
    assert Sizes.of(None) == Sizes()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "begin with a letter"),
        ("Blue", "begin with a letter"),
        ("7up", "begin with a letter"),
        ("blue-", "begin with a letter"),
        ("a" * 41, "begin with a letter"),
        ("blue\n---\nkind: ClusterRole", "begin with a letter"),
        ("blue, x: y", "begin with a letter"),
        ("admin", "the platform's own"),
        ("default", "the platform's own"),
        ("kube-public", "the platform's own"),
        ("istio-system", "the platform's own"),
    ],
)
def test_a_name_that_no_tenant_may_have(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"{why}[^→]*|→ {why}") as refused:
        template.text(name, Sizes())
    assert refused.value.cure


@pytest.mark.parametrize(
    "given", [{"cpu": "x"}, {"cpu": "-1"}, {"memory": '1Gi"\nx: "'}, {"models": -1}, {"models": "5"}, {"pods": 3}]
)
def test_a_size_that_is_none(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="→"):
        Sizes().changed(given)
