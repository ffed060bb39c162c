"""`iiab up` and `down` with programs that only write down: order, what a second time does, resumption, failures, clean-up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from iiab_lab.cli import app
from iiab_lab.engines.cluster import lifecycle, plan, preflight, runner, tools
from iiab_lab.engines.cluster.record import Record
from iiab_lab.engines.cluster.steps import steps
from iiab_lab.engines.cluster.where import Where
from iiab_lab.errors import LabError, NotReady, UsageError
from iiab_lab.target import Target

from .fakes import Fakes

CHANGES = r"^(helm (upgrade|uninstall)|kind (create|delete|load)|docker build|kubectl .*( apply| delete) (?!.*dry-run))"
NOBODY = r"\{\.metadata\.uid\}"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """Real programs on PATH, started as the real ones are."""
    made = Fakes.make(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.setattr(runner, "_PAUSE", 0.0)
    return made


@pytest.fixture
def fakes(programs: Fakes, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    monkeypatch.setattr(tools.subprocess, "run", programs.run)
    return programs


@pytest.fixture
def kind(tmp_path: Path) -> Where:
    return Where(tmp_path / "home")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setattr(lifecycle.forward, "start", lambda where: {"pid": 0, "started": 0})
    return Where(tmp_path / "home", context="lab", registry="images.example.com/lab")


def silent(step: str, doing: str) -> None:
    pass


def up(fakes: Fakes, where: Where, **asked: Any) -> dict[str, Any]:
    status = lifecycle.up(where, silent, **asked)
    if where.on == "kind":
        fakes.answer("^kind get clusters", "iiab\n")
    return status


def test_everything_is_run_in_the_plans_order(programs: Fakes, kind: Where) -> None:
    up(programs, kind)
    ran = programs.lines()
    planned = [" ".join(command.argv) for step in steps(kind) for command in step.commands]
    positions = []
    for line in planned:
        positions.append(ran.index(line, positions[-1] + 1 if positions else 0))
    assert positions == sorted(positions)
    for step in steps(kind):
        for wait in step.waits:
            assert " ".join(wait.argv) in ran


def test_what_is_read_is_what_the_plan_shows(fakes: Fakes, kind: Where) -> None:
    up(fakes, kind)
    said = {(call["line"], call["stdin"]) for call in fakes.calls()}
    for step in plan.to_json(kind, steps(kind))["steps"]:
        for command in step["commands"]:
            if "stdin" in command and command["stdin"] != "…":
                assert (" ".join(command["argv"]), command["stdin"]) in said, step["name"]


def test_a_pipe_reads_what_was_written_before_it(fakes: Fakes, kind: Where) -> None:
    fakes.answer("^helm template kserve-crd", "the definitions")
    up(fakes, kind)
    calls = fakes.calls()
    after = next(i for i, call in enumerate(calls) if call["line"].startswith("helm template kserve-crd")) + 1
    assert calls[after]["stdin"] == "the definitions" and " apply " in calls[after]["line"]


def test_a_second_time_changes_nothing(fakes: Fakes, kind: Where) -> None:
    first = up(fakes, kind)
    fakes.forget()
    assert up(fakes, kind) == first
    assert fakes.lines(CHANGES) == []
    assert len(fakes.lines(r"kubectl .* (wait|rollout status) ")) == sum(len(step.waits) for step in steps(kind))


def test_a_step_whose_release_moved_on_is_done_again_and_what_comes_after_it(
    fakes: Fakes, kind: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(fakes, kind)
    record = Record.read(kind.home)
    assert record is not None
    record.steps["istiod"].digest = "of another release"
    record.write(kind.home)
    fakes.forget()
    up(fakes, kind)
    changed = fakes.lines(CHANGES)
    assert changed[0].startswith("helm upgrade --install istiod ")
    after = [step.name for step in steps(kind)]
    after = after[after.index("istiod") :]
    charts = [line.split()[3] for line in changed if line.startswith("helm upgrade")]
    assert charts == [name for name in after if name in charts] and {"istiod", "kserve", "prometheus"} <= {*charts}
    assert not {"cert-manager", "istio-base"} & {*charts}


def test_a_step_that_failed_is_the_next_one_tried(programs: Fakes, kind: Where) -> None:
    programs.fail("helm upgrade --install kserve ", "Error: no route to host", times=1)
    with pytest.raises(LabError) as error:
        up(programs, kind)
    assert error.value.message.startswith("kserve: `helm upgrade") and "no route to host" in error.value.message
    assert "iiab up --engine cluster --from kserve" in error.value.cure
    programs.answer("^kind get clusters", "iiab\n")
    programs.forget()
    up(programs, kind)
    assert programs.lines(CHANGES)[0].startswith("helm upgrade --install kserve ")


def test_from_goes_on_at_a_step(fakes: Fakes, kind: Where) -> None:
    up(fakes, kind)
    fakes.forget()
    up(fakes, kind, start="models")
    assert len(fakes.lines(r"kubectl .* wait ")) == 2  # the models of tenant-a and tenant-c
    with pytest.raises(UsageError, match="--from one of: cluster, images"):
        up(fakes, kind, start="nowhere")


def test_what_did_not_come_in_time_is_told_with_its_cause(fakes: Fakes, kind: Where) -> None:
    waiting = {"name": "webhook", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling x"}}}
    pod = {
        "metadata": {"name": "webhook-1", "namespace": "cert-manager"},
        "status": {
            "phase": "Pending",
            "containerStatuses": [waiting],
            "conditions": [{"type": "Ready", "status": "False"}],
        },
    }
    fakes.fail("wait .*cert-manager deployment", "error: timed out waiting for the condition")
    fakes.answer("get pods -n cert-manager", json.dumps({"items": [pod]}))
    fakes.answer("get events", json.dumps({"items": [{"reason": "Failed", "message": "429 Too Many Requests"}]}))
    fakes.answer(" logs webhook-1", "last words\n")
    with pytest.raises(NotReady) as error:
        up(fakes, kind)
    for part in (
        "cert-manager: error: timed out",
        "Pod cert-manager/webhook-1: webhook ImagePullBackOff Back-off pulling x",
        "Failed: 429 Too Many Requests",
        "| last words",
    ):
        assert part in error.value.message
    assert error.value.exit_code == 4


def test_webhooks_are_tried_before_anybody_uses_them(fakes: Fakes, kind: Where) -> None:
    fakes.fail("dry-run", "failed calling webhook: connection refused", times=3)
    up(fakes, kind)
    tries = [i for i, line in enumerate(fakes.lines()) if "--dry-run=server" in line]
    roots = next(i for i, call in enumerate(fakes.calls()) if "lab-root-ca" in call["stdin"])
    assert tries[:4] == list(range(tries[0], tries[0] + 4)) and tries[3] < roots


def test_webhooks_that_never_pass_are_an_error(fakes: Fakes, kind: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_WEBHOOK_SECONDS", 0.0)
    fakes.fail("dry-run", "failed calling webhook: connection refused")
    with pytest.raises(NotReady, match=r"certificate\.yaml pass within 0 s: failed calling webhook"):
        up(fakes, kind)


def test_only_the_known_race_is_tried_again(fakes: Fakes, kind: Where) -> None:
    fakes.fail("install kserve-runtimes", "failed calling webhook", times=2)
    up(fakes, kind)
    assert len(fakes.lines("install kserve-runtimes")) == 3
    lifecycle.down(kind.home, silent)
    fakes.answer("^kind get clusters", "")
    fakes.fail("install istiod", "failed calling webhook", times=1)
    with pytest.raises(LabError):
        up(fakes, kind)


def test_down_deletes_kinds_cluster_and_leaves_nothing(programs: Fakes, kind: Where) -> None:
    up(programs, kind)
    programs.forget()
    assert lifecycle.down(kind.home, silent)
    assert programs.lines(CHANGES) == [f"kind delete cluster --name iiab --kubeconfig {kind.kubeconfig}"]
    assert {path.name for path in kind.home.iterdir()} == {"lock"}
    assert not lifecycle.down(kind.home, silent)


def test_down_takes_from_a_given_cluster_what_was_made_and_nothing_else(fakes: Fakes, context: Where) -> None:
    there = {"kind": "List", "items": [{"kind": "Namespace", "metadata": {"name": "monitoring"}}]}
    fakes.answer(r" get --ignore-not-found -o json -f -", json.dumps(there))
    up(fakes, context)
    fakes.forget()
    lifecycle.down(context.home, silent)
    undone = fakes.calls()
    spaces = next(
        call for call in undone if "name: redis-system" in call["stdin"] and "kind: Namespace" in call["stdin"]
    )
    deleted = [obj["metadata"]["name"] for obj in yaml.safe_load_all(spaces["stdin"])]
    assert "istio-system" in deleted and "monitoring" not in deleted
    assert not [call for call in undone if call["line"].startswith("kind ")]
    order = [call["line"] + call["stdin"] for call in undone]
    istiod = next(i for i, line in enumerate(order) if line.startswith("helm uninstall istiod"))
    kserve = next(i for i, line in enumerate(order) if line.startswith("helm uninstall kserve "))
    assert kserve < istiod < undone.index(spaces)
    assert {path.name for path in context.home.iterdir()} == {"lock"}


def test_what_broke_off_is_undone_too(fakes: Fakes, context: Where) -> None:
    fakes.fail("helm upgrade --install istiod", "half of it is there")
    with pytest.raises(LabError):
        up(fakes, context)
    fakes.forget()
    lifecycle.down(context.home, silent)
    assert fakes.lines("helm uninstall")[0].startswith("helm uninstall istiod")
    assert len(fakes.lines("helm uninstall")) == 4  # istiod, istio-cni, istio-base, cert-manager


def test_a_down_that_fails_goes_on_where_it_was(fakes: Fakes, context: Where) -> None:
    up(fakes, context)
    fakes.fail("uninstall kserve ", "the webhook is gone", times=1)
    with pytest.raises(LabError):
        lifecycle.down(context.home, silent)
    fakes.forget()
    lifecycle.down(context.home, silent)
    assert fakes.lines("helm uninstall")[0].startswith("helm uninstall kserve ")


def test_what_others_installed_is_refused_or_left_to_them(fakes: Fakes, context: Where) -> None:
    fakes.answer("get crd certificates.cert-manager.io", "customresourcedefinition/certificates.cert-manager.io\n")
    with pytest.raises(UsageError, match="on this cluster already, and not from here") as error:
        up(fakes, context)
    assert "--use cert-manager" in error.value.cure
    up(fakes, context, use=["cert-manager"])
    lifecycle.down(context.home, silent)
    assert fakes.lines(r"helm \w+ (--install )?cert-manager") == []


def test_a_cluster_of_that_name_that_is_not_ours_is_left_alone(fakes: Fakes, kind: Where) -> None:
    fakes.answer("^kind get clusters", "other\niiab\n")
    with pytest.raises(UsageError, match="not from this home"):
        lifecycle.up(kind, silent)
    assert fakes.lines(CHANGES) == []


def test_a_cluster_that_was_deleted_behind_our_back_is_made_again(fakes: Fakes, kind: Where) -> None:
    up(fakes, kind)
    fakes.answer("^kind get clusters", "")
    fakes.forget()
    up(fakes, kind)
    assert fakes.lines(CHANGES)[0].startswith("kind create cluster")


def test_another_cluster_of_the_same_name_is_not_taken_for_the_first(fakes: Fakes, context: Where) -> None:
    up(fakes, context)
    fakes.answer("get namespace kube-system", "uid-2")
    fakes.forget()
    up(fakes, context)
    assert fakes.lines("helm upgrade --install cert-manager")


def test_a_home_has_one_platform(fakes: Fakes, kind: Where, context: Where) -> None:
    up(fakes, kind)
    with pytest.raises(UsageError, match="This home's platform is on kind-iiab"):
        lifecycle.up(context, silent)


def test_the_target_is_found_as_the_other_engines_is(fakes: Fakes, kind: Where) -> None:
    status = up(fakes, kind)
    assert status["ready"] and [one["name"] for one in status["components"]] == ["identity/identity-1"]
    target = Target.connect(home=kind.home)
    assert (target.engine, target.context, target.home) == ("cluster", "kind-iiab", None)
    assert target.gateway_url == "http://localhost:8080" and target.prometheus_url == "http://localhost:9090"
    assert Path(target.ca).read_text().startswith("-----BEGIN") and target.kubeconfig == kind.kubeconfig


def test_the_edge_of_a_given_cluster_is_where_its_gateway_says(fakes: Fakes, context: Where) -> None:
    status = up(fakes, context)
    assert status["endpoints"]["gateway"] == "http://203.0.113.7:80"
    assert status["endpoints"]["management"] == "http://localhost:8085"
    assert context.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_a_password_is_made_once_and_never_an_argument(fakes: Fakes, kind: Where) -> None:
    secret = next(step for step in steps(kind) if step.name == "admin").commands[0].argv
    up(fakes, kind)
    made = [call for call in fakes.calls() if "management-admin" in call["stdin"] and call["line"] == " ".join(secret)]
    assert len(yaml.safe_load(made[0]["stdin"])["stringData"]["password"]) >= 20
    lifecycle.down(kind.home, silent)
    fakes.answer("^kind get clusters", "")
    fakes.answer("get secret management-admin", "secret/management-admin\n")
    fakes.forget()
    up(fakes, kind)
    assert not [call for call in fakes.calls() if "stringData" in call["stdin"]]


def test_preload_pulls_every_image_and_stops_there(fakes: Fakes, kind: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.answer("^helm template", "spec: {containers: [{image: quay.example/one:1}]}\n---\nimage: two@sha256:ab\n")
    monkeypatch.setattr(lifecycle.preload, "_fetched", lambda url: "spec: {image: three:3}")
    up(fakes, kind, preload_only=True)
    pulled = [line.rpartition(" ")[2] for line in fakes.lines("^docker exec iiab-control-plane crictl pull")]
    assert {"quay.example/one:1", "two@sha256:ab", "three:3", "redis:8.2.4-alpine3.22"} <= set(pulled)
    assert not [image for image in pulled if image.startswith("iiab-lab/")]
    assert fakes.lines("helm upgrade") == []


def test_the_command_line_brings_it_up_tells_of_it_and_takes_it_away(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bar in ("_INSTANCES", "_WATCHES", "_DISK_GIB"):
        monkeypatch.setattr(preflight, bar, 0)
    home = tmp_path / "home"
    environment = {"IIAB_HOME": str(home), "IIAB_PORTS": "auto"}

    def iiab(*words: str) -> Any:
        done = CliRunner().invoke(app, words, env=environment)
        assert done.exit_code == 0 and done.exception is None, done.output
        return done

    status = json.loads(iiab("up", "--engine", "cluster", "--json").stdout)
    assert status["engine"] == "cluster" and status["ready"]
    fakes.answer("^kind get clusters", "iiab\n")
    assert json.loads(iiab("status", "--json").stdout) == status
    again = iiab("up", "--engine", "cluster")
    assert "nothing changed" in again.output and len(fakes.lines("kind create")) == 1
    refused = CliRunner().invoke(app, ["up"], env=environment)
    assert isinstance(refused.exception, UsageError) and "is on a cluster" in str(refused.exception)
    iiab("down")
    assert len(fakes.lines("kind delete")) == 1 and not (home / "status.json").exists()
