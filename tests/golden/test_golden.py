"""Every translation as a diff to read: `in/*.yaml` → `out/*.yaml`, and Envoy itself accepts each.

The name tells whose: `edge-…` tier 1, `ingress-…` tier 2, `sidecar-…` a Pod's, `activator-…` Knative's. `pytest tests/golden --regen` rewrites `out/`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.envoy import activator, edge, guard, ingress, sidecar
from iiab_lab.engines.embedded.envoy.snapshot import TYPES, Snapshot
from iiab_lab.engines.embedded.objects.kinds import GATEWAY, POD
from iiab_lab.engines.embedded.processes.proxy import FileProxy

from .world import YamlWorld, real, unreal

HERE = Path(__file__).parent
IDENTITY = sidecar.Identity("CERTIFICATE", "KEY", "CA")
Out = tuple[Snapshot, dict[str, Any]]


class Same(dict):
    """Every containerPort at itself."""

    def __missing__(self, port: int) -> Any:
        return port


def of_edge(world: YamlWorld) -> Out:
    made = edge.translate(world, world.of_kind(GATEWAY), Same())
    verdicts: dict[str, Any] = defaultdict(dict)
    for one in made.attached:
        partly = {"PartiallyInvalid": list(one.partly)} if one.partly else {}
        verdicts[one.name] = {"Accepted": list(one.accepted), "ResolvedRefs": list(one.resolved), **partly}
    for one in made.policies:
        name = f"{one.policy['kind'].lower()}/{one.policy['metadata']['name']}{'#' * bool(one.section)}{one.section}"
        verdicts[name] = {t: list(v) for t, v in one.conditions.items()}
    listeners = {name: {t: list(v) for t, v in one.conditions.items()} for name, one in made.listeners.items()}
    return made.snapshot, {"verdicts": dict(verdicts), "listener_verdicts": listeners}


def of_pod(world: YamlWorld) -> sidecar.Pod:
    pod = world.of_kind(POD)
    ports = [port["containerPort"] for c in pod["spec"]["containers"] for port in c.get("ports") or ()]
    own = {port: port for port in (*ports, sidecar.READY_PORT)}
    return sidecar.Pod(pod, own, {port: f"/run/{port}" for port in ports})


def guard_of(world: YamlWorld, pod: sidecar.Pod) -> guard.Guard:
    return guard.of_pod(world, pod.object, pod.ports, IDENTITY.root)


def of_ingress(world: YamlWorld) -> Out:
    pod = of_pod(world)
    made = ingress.translate(world, pod, IDENTITY, guard_of(world, pod))
    verdicts = {"refused": made.refused, "missing": made.missing}
    return made.snapshot, {
        name: {str(key): said for key, said in found.items()} for name, found in verdicts.items() if found
    }


def of_sidecar(world: YamlWorld) -> Out:
    pod = of_pod(world)
    return sidecar.snapshot(pod, IDENTITY, guard_of(world, pod), sidecar.queue(world, pod.object)), {}


def of_activator(world: YamlWorld) -> Out:
    pod = of_pod(world)
    return activator.snapshot(pod, IDENTITY, guard_of(world, pod)), {}


TRANSLATIONS = {"activator": of_activator, "edge": of_edge, "ingress": of_ingress, "sidecar": of_sidecar}
INPUTS = sorted((HERE / "in").glob("*.yaml"))
EACH = pytest.mark.parametrize("file", INPUTS, ids=lambda file: file.stem)


def translated(file: Path) -> Out:
    return TRANSLATIONS[file.stem.partition("-")[0]](YamlWorld(file))


@EACH
def test_the_translation_is_as_recorded(file: Path, request: pytest.FixtureRequest) -> None:
    snapshot, verdicts = translated(file)
    parts = {name: dict(getattr(snapshot, name)) for name in TYPES if getattr(snapshot, name)}
    text = yaml.safe_dump(unreal(parts | verdicts), sort_keys=False, width=120, allow_unicode=True)
    recorded = HERE / "out" / file.name
    if request.config.getoption("regen"):
        recorded.write_text(text)
    assert recorded.exists(), "run: pytest tests/golden --regen"
    assert text == recorded.read_text()


@EACH
def test_envoy_accepts_it(file: Path) -> None:
    snapshot, _ = translated(file)
    genuine = Snapshot(**{name: real(dict(getattr(snapshot, name))) for name in TYPES})
    with tempfile.TemporaryDirectory(prefix="iiab-golden-") as folder:
        proxy = FileProxy(Path(folder) / "proxies", Path(folder))
        assert asyncio.run(proxy.check(genuine)) == ""


def test_every_recorded_output_has_its_input() -> None:
    assert {file.name for file in (HERE / "out").glob("*.yaml")} == {file.name for file in INPUTS}
