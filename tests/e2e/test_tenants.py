"""A tenant comes, serves, is published, changes its share, is carried away and back, and goes: nothing is left of it, and a
neighbour under load loses no request meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from iiab_lab import (
    Management,
    Target,
    add_tenant,
    apply,
    export_tenant,
    import_tenant,
    remove_tenant,
    tenants,
    token,
)
from iiab_lab.assets import manifests
from iiab_lab.errors import UsageError
from iiab_lab.traffic.client import InferenceClient
from iiab_lab.traffic.load.handle import load
from iiab_lab.traffic.load.phases import Phase

from .lab import Lab, eventually

NAME, MODEL = "zephyr", "zephyr-wine"
WINE = [[13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050]]


@pytest.fixture(autouse=True)
def gone(target: Target) -> Iterator[None]:
    yield
    remove_tenant(target, NAME)


def manifest() -> str:
    """tenant-c's model, as this tenant's own."""
    text = "---\n".join((manifests() / folder / "sklearn-wine.yaml").read_text() for folder in ("models", "policies"))
    return text.replace("tenant-c", NAME).replace("sklearn-wine", MODEL).replace(f"[{MODEL},", "[sklearn-wine,")


def served(target: Target) -> bool:
    return InferenceClient(target, token(target, NAME)).predict(MODEL, WINE).status == 200


def left(lab: Lab, target: Target) -> list[str]:
    """Objects, files, processes and metric targets that have its name."""
    kube, found = target.kube, []
    groups = kube.raw("GET", "/apis").json()["groups"]
    for version in ("v1", *(one["groupVersion"] for group in groups for one in group["versions"])):
        for entry in kube.discover(version):
            if "/" not in entry["name"] and "list" in entry["verbs"]:
                objects = kube.raw("GET", kube.path(version, entry["kind"])).json()["items"]
                named = [obj["metadata"]["name"] for obj in objects if NAME in json.dumps(obj)]
                found += [f"{entry['kind']} {name}" for name in named]
    found += [str(path) for path in lab.home.rglob(f"*{NAME}*")]
    found += [word for process in lab.processes() for word in process.cmdline() if NAME in word]
    scraped = requests.get(f"{target.prometheus_url}/api/v1/targets", params={"state": "active"}, timeout=5).json()
    return found + [one["scrapeUrl"] for one in scraped["data"]["activeTargets"] if NAME in json.dumps(one)]


def test_it_comes_and_goes_and_its_neighbour_loses_nothing(lab: Lab, target: Target, tmp_path: Path) -> None:
    neighbour = InferenceClient(target, token(target, "tenant-a"))
    run = load(neighbour, "sklearn-iris", Phase.constant("constant", 40, 40))
    assert add_tenant(target, NAME, models=1) == "created"
    apply(target, manifest())
    eventually(lambda: served(target))
    owner = Management(target, NAME)
    owner.publish(MODEL, NAME)
    assert add_tenant(target, NAME, cpu="2") == "configured" and served(target)
    file = tmp_path / "zephyr.yaml"
    carried = export_tenant(target, NAME, file)
    assert (carried.secrets, carried.published, carried.volumes) == ([], [MODEL], ["models"])
    assert remove_tenant(target, NAME)
    assert eventually(lambda: left(lab, target) == [])
    assert import_tenant(target, file) == NAME
    eventually(lambda: served(target))
    (shown,) = (one for one in tenants(target) if one.name == NAME)
    assert (shown.cpu.partition("/")[2], shown.models) == ("2", "1/1")
    assert remove_tenant(target, NAME) and not remove_tenant(target, NAME)
    run.stop()
    assert eventually(lambda: left(lab, target) == [])
    assert {*run.now().seen} == {200}


def test_a_refused_tenant_leaves_nothing(lab: Lab, target: Target, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no tenant's"):
        add_tenant(target, "monitoring")
    bad: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x", "namespace": NAME},
        "spec": {"portz": 1},
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME, "labels": {"iiab.lab/tenant": NAME}}}
    file = tmp_path / "bad.yaml"
    file.write_text("---\n".join(json.dumps(obj) + "\n" for obj in (space, bad)))
    done = lab.iiab("tenant", "import", str(file), check=False)
    assert done.returncode == 1 and "portz" in done.stderr
    assert eventually(lambda: left(lab, target) == [])
