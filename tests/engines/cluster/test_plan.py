"""The plan, whole, as a diff to read; and that everything in it comes from the lock, in an order that can work."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.assets import folder, manifests
from iiab_lab.engines.cluster import lock, plan, render
from iiab_lab.engines.cluster import steps as fresh
from iiab_lab.engines.cluster.step import Command, Step
from iiab_lab.engines.cluster.where import Where
from iiab_lab.engines.embedded import bootstrap
from iiab_lab.engines.order import ordered
from iiab_lab.errors import UsageError

from .places import CONTEXT, HOME, KIND, PLACES

GOLDEN = Path(__file__).parent / "golden"
LOCKED = yaml.safe_load((manifests() / "versions.yaml").read_text())
PLACE = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@cache
def held(on: str) -> tuple[Step, ...]:
    return fresh.steps(PLACES[on])


def steps(where: Where) -> tuple[Step, ...]:
    """Those of the two places are made once: reading every manifest takes a while."""
    return next((held(on) for on, place in PLACES.items() if place is where), None) or fresh.steps(where)


def portable(text: str) -> str:
    return text.replace(str(folder("manifests").parent), "/source")


def named(where: Where, name: str) -> Step:
    return next(step for step in steps(where) if step.name == name)


def commands(where: Where) -> list[Command]:
    return [command for step in steps(where) for command in (*step.commands, *step.undo)]


@pytest.mark.parametrize("on", PLACES)
@pytest.mark.parametrize("form", ["txt", "json"])
def test_the_plan_is_the_one_that_was_read(on: str, form: str, request: pytest.FixtureRequest) -> None:
    where = PLACES[on]
    made = steps(where)
    text = plan.text(where, made) if form == "txt" else json.dumps(plan.to_json(where, made), indent=1) + "\n"
    file = GOLDEN / f"{on}.{form}"
    if request.config.getoption("regen"):
        file.write_text(portable(text))
    assert portable(text) == file.read_text(), "read the difference, then: pytest tests/engines/cluster --regen"


@PLACE
def test_every_chart_and_file_is_the_locks(place: Where) -> None:
    releases = LOCKED["releases"]
    used = set()
    for command in commands(place):
        argv = command.argv
        if argv[0] == "helm" and "--version" in argv:
            source = next(word for word in argv if "://" in word)
            name = next(n for n, chart in lock.read().charts.items() if chart.source == source)
            entry = LOCKED["charts"][name]
            assert argv[argv.index("--version") + 1] == (entry.get("version") or releases[entry["release"]])
            used.add(name)
        used |= {name for name, file in lock.read().files.items() if argv[-1] == file.source}
        assert not argv[-1].startswith("https://") or argv[-1] in {file.source for file in lock.read().files.values()}
    only_on_kind = set() if place is KIND else {"metrics-server"}
    assert used | only_on_kind == {*LOCKED["charts"], *LOCKED["files"]}
    for name, entry in LOCKED["files"].items():
        assert (entry.get("version") or releases[entry["release"]]) in lock.read().files[name].source


def test_a_release_of_the_lock_is_what_each_entry_counts_by() -> None:
    """Only what counts by itself has a version of its own: everything else moves with the release its schemas are of."""
    own = {name for part in ("charts", "files") for name, entry in LOCKED[part].items() if "version" in entry}
    assert own == {"kube-prometheus-stack", "metrics-server", "net-istio"}
    assert {e["release"] for p in ("charts", "files") for e in LOCKED[p].values() if "release" in e} == {
        name for name in LOCKED["releases"] if name != "prometheus-operator"
    }


def test_the_node_is_one_by_digest_of_a_version_where_all_meet() -> None:
    version = re.fullmatch(r"kindest/node:v(\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}", LOCKED["cluster"]["node"])
    oldest, newest = LOCKED["cluster"]["kubernetes"]
    assert version and oldest <= version[1] <= newest
    assert LOCKED["cluster"]["node"] in named(KIND, "cluster").commands[0].argv


@PLACE
def test_the_order_can_work(place: Where) -> None:
    order = [step.name for step in steps(place)]
    for first, then in (
        ("cluster", "namespaces"),
        ("gateway-api", "envoy-gateway"),
        ("cert-manager", "roots"),
        ("roots", "istiod"),  # Istio reads cacerts once, when it starts
        ("istio-base", "istiod"),
        ("istio-cni", "istiod"),
        ("istiod", "istio-ingressgateway"),
        ("istiod", "net-istio"),
        ("knative-crds", "knative"),
        ("knative", "net-istio"),
        ("net-istio", "mesh"),  # whose Gateway ours takes the place of
        ("net-istio", "kserve"),
        ("kserve-crd", "kserve"),
        ("kserve", "kserve-runtimes"),
        ("kserve-runtimes", "serving"),
        ("envoy-gateway-crds", "envoy-gateway"),
        ("redis", "envoy-gateway"),
        ("envoy-gateway", "envoy-ai-gateway"),
        ("envoy-ai-gateway", "gateway"),
        ("prometheus", "observability"),
        ("admin", "platform"),
        ("training", "models"),
    ):
        assert order.index(first) < order.index(then), (first, then)
    assert len(order) == len(set(order))


def test_the_folders_are_those_of_the_other_engine_in_its_order() -> None:
    ours = [step.name for step in steps(KIND)]
    theirs = [step.name for step in bootstrap.STEPS if step.folder != bootstrap.CHARTS]
    assert [name for name in ours if name in theirs] == theirs


@PLACE
def test_nothing_of_the_manifests_is_left_out_and_only_listed_changes_are_made(place: Where) -> None:
    applied = {(o["apiVersion"], render.called(o)): o for step in steps(place) for o in step.objects}
    whole = [obj for step in bootstrap.STEPS if step.folder != bootstrap.CHARTS for obj in ordered(step.folder)]
    assert len(whole) > 60
    changed = {render.called(obj) for obj in whole if applied[obj["apiVersion"], render.called(obj)] != obj}
    listed = {c["object"] for c in render.changes() if c.get("only", place.on) == place.on}
    own = {render.called(o) for o in whole if "iiab-lab/" in json.dumps(o)} if place.registry else set()
    assert changed == listed | own


def test_every_change_says_why_and_is_made_somewhere() -> None:
    everywhere = [obj for step in bootstrap.STEPS for obj in ordered(step.folder)]
    for change in render.changes():
        assert change["why"] and change.get("only", "kind") in ("kind", "context")
        assert change["object"] in {render.called(obj) for obj in everywhere}


@PLACE
def test_settings_that_both_engines_have_are_the_same(place: Where) -> None:
    """Namespaces with their labels, Knative's ConfigMaps: what the charts of the embedded engine say holds here too."""
    theirs = {render.called(o): o for o in ordered(bootstrap.CHARTS) if o["kind"] in ("Namespace", "ConfigMap")}
    ours = {render.called(o): o for step in steps(place) for o in step.objects}
    shared = theirs.keys() & ours.keys()
    assert {"Namespace istio-system", "ConfigMap knative-serving/config-autoscaler"} <= shared
    for name in shared:
        assert ours[name].get("data") == theirs[name].get("data")
        labels = theirs[name]["metadata"].get("labels", {})
        assert labels.items() <= ours[name]["metadata"].get("labels", {}).items()


@PLACE
def test_every_command_says_to_which_cluster_and_none_is_a_shells(place: Where) -> None:
    for command in [*commands(place), *(step.webhook for step in steps(place) if step.webhook)]:
        argv = command.argv
        assert argv[0] in ("docker", "helm", "kind", "kubectl")
        if argv[0] == "kubectl" and "config" not in argv[:2]:
            assert argv[1:5] == ("--kubeconfig", str(HOME / "kubeconfig"), "--context", place.reached)
        if argv[0] == "helm":
            assert argv[-4:] == ("--kubeconfig", str(HOME / "kubeconfig"), "--kube-context", place.reached)
        assert "&id0" not in command.stdin and "*id0" not in command.stdin


@PLACE
def test_every_step_but_what_only_reads_can_be_undone_and_every_wait_ends(place: Where) -> None:
    for step in steps(place):
        assert step.undo or step.name in ("images", "cluster"), step.name
        for wait in step.waits:
            assert re.fullmatch(r"--timeout=\d+s", wait.argv[-1])
    assert [step.name for step in steps(place) if step.race] == ["kserve-runtimes"]


@PLACE
def test_a_password_is_in_no_plan(place: Where) -> None:
    where = Where(place.home, place.context, place.ports, place.registry, "correct horse battery")
    for said in (plan.text(where, steps(where)), json.dumps(plan.to_json(where, steps(where)))):
        assert "correct horse" not in said


def test_a_step_that_is_done_is_known_by_what_it_does() -> None:
    assert [step.digest for step in steps(KIND)] == [step.digest for step in fresh.steps(KIND)]
    assert named(KIND, "gateway").digest != named(CONTEXT, "gateway").digest


def test_the_ports_of_this_machine_lead_to_the_services() -> None:
    config: dict[str, Any] = yaml.safe_load(named(KIND, "cluster").commands[0].stdin)
    mapped = {one["containerPort"]: one["hostPort"] for one in config["nodes"][0]["extraPortMappings"]}
    assert {one["listenAddress"] for one in config["nodes"][0]["extraPortMappings"]} == {"127.0.0.1"}
    assert mapped == {30080: 8080, 30443: 8443, 8085: 8085, 30090: 9090, 30093: 9093}
    assert config["networking"] == {"apiServerAddress": "127.0.0.1", "apiServerPort": 6443}
    values = yaml.safe_load(named(KIND, "prometheus").commands[0].stdin)
    assert values["prometheus"]["service"] == {"type": "NodePort", "nodePort": 30090}
    assert values["prometheus"]["prometheusSpec"]["podMetadata"]["labels"] == {
        "app": "prometheus"
    }  # for NetworkPolicies
    assert values["alertmanager"]["service"] == {"type": "NodePort", "nodePort": 30093}
    edge = next(obj for obj in named(KIND, "gateway").objects if obj["kind"] == "EnvoyProxy")
    opened = edge["spec"]["provider"]["kubernetes"]["envoyService"]["patch"]["value"]["spec"]["ports"]
    assert {one["port"]: one["nodePort"] for one in opened} == {80: 30080, 443: 30443}


def test_a_path_is_never_read_as_yaml() -> None:
    odd = Where(Path("/home/a, b: [c]/.iiab"))
    assert str(odd.kubeconfig) in named(odd, "cluster").commands[0].argv


def test_a_cluster_that_cannot_pull_our_images_is_refused_with_the_cure() -> None:
    with pytest.raises(UsageError, match="--registry"):
        steps(Where(HOME, context="lab"))
    images = {image for step in steps(CONTEXT) for image in re.findall(r"\S*iiab-lab/\S+", json.dumps(step.objects))}
    assert images and all(image.strip('"').startswith("images.example.com/lab/iiab-lab/") for image in images)


@PLACE
def test_what_the_lab_says_of_upstreams_objects_is_not_taken_away_by_the_same_manager(place: Where) -> None:
    """Server-side apply removes what its manager said before and does not say again: Knative's file has knative-serving too."""
    for step in steps(place):
        for command in step.commands:
            if "--field-manager=iiab" in command.argv:
                assert command.stdin and not command.argv[-1].startswith("https://")
                assert not command.pipe or step.name == "lab-ca"
            if "--field-manager=iiab-upstream" in command.argv:
                assert command.argv[-1].startswith("https://") or command.pipe
