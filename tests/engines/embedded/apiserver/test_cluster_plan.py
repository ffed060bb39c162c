"""kubectl and the cluster engine's plan: every manifest of it is applied, in its order, and every one is upstream's, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from iiab_lab.engines.cluster import render
from iiab_lab.engines.cluster.step import Command
from iiab_lab.engines.cluster.steps import steps
from iiab_lab.engines.cluster.where import Where

from ....manifests.test_manifests import OWN, upstream, upstream_errors
from .conftest import Running
from .kubectl import KUBECTL, Kubectl

PLACES = {
    "kind": steps(Where(Path("/home/learner/.iiab"))),
    "context": steps(Where(Path("/home/learner/.iiab"), context="lab", registry="images.example.com/lab")),
}


def read_by_kubectl(on: str) -> list[Command]:
    """Every command that has kubectl apply what we give it, or try what the webhooks let pass; not what upstream publishes."""
    return [
        command
        for step in PLACES[on]
        for command in (*step.commands, *([step.webhook] if step.webhook else []))
        if command.argv[0] == "kubectl" and command.argv[-1] == "-" and command.stdin
    ]


@pytest.mark.parametrize("on", ["kind", pytest.param("context", marks=pytest.mark.soak)])
@pytest.mark.parametrize("tool", KUBECTL)
def test_everything_is_applied_in_the_plans_order_and_undone_again(
    server: Running, tool: str, on: str, tmp_path: Path
) -> None:
    kubectl = Kubectl(tool, server.kubeconfig, "", tmp_path)
    commands = read_by_kubectl(on)
    assert len(commands) > 15
    for command in commands:
        words = command.argv[command.argv.index("apply") :]
        said = kubectl(*words, stdin=command.stdin)
        expected = len(list(yaml.safe_load_all(command.stdin)))
        assert len([line for line in said.splitlines() if "serverside-applied" in line]) == expected, said
    for undo in [c for step in reversed(PLACES[on]) for c in step.undo if c.argv[0] == "kubectl" and c.stdin]:
        kubectl(*undo.argv[undo.argv.index("delete") :], stdin=undo.stdin)
    kinds = "httproutes,securitypolicies,podmonitors,inferenceservices,certificates,jobs,clusterissuers,gatewayclasses"
    assert "No resources found" in kubectl("get", kinds, "-A")
    assert "istio-system" not in kubectl("get", "namespaces")


OBJECTS = {
    f"{on}-{render.called(obj)}": obj
    for on in PLACES
    for command in read_by_kubectl(on)
    for obj in yaml.safe_load_all(command.stdin)
    if "." in (group := obj["apiVersion"].partition("/")[0]) and group not in OWN
}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_strictly_valid_upstream(name: str) -> None:
    assert not upstream.FOLDER or list(upstream_errors(OBJECTS[name])) == []
