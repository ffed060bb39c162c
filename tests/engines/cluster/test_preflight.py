"""`iiab doctor --engine cluster`: each finding can be missed and has a cure; and a machine that cannot is told so before anything is made."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iiab_lab.cli import app, main
from iiab_lab.engines import ports
from iiab_lab.engines.cluster import preflight
from iiab_lab.engines.cluster.where import Where
from iiab_lab.findings import Finding

from .fakes import Fakes

CONTEXT = Where(Path("/nowhere"), context="lab", registry="r")


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    made = Fakes.make(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    monkeypatch.setattr(preflight, "_INSTANCES", 1)
    monkeypatch.setattr(preflight, "_WATCHES", 1)
    monkeypatch.setattr(preflight, "_DISK_GIB", 0)
    return made


def finding(name: str, where: Where = Where(Path("/nowhere"), ports={})) -> Finding:  # noqa: B008
    return next(found for found in preflight.examine(where) if found.name == name)


@pytest.mark.parametrize("where", [Where(Path("/nowhere"), ports={}), CONTEXT], ids=["kind", "context"])
def test_a_fit_machine_is_fit_and_says_by_which_numbers(fakes: Fakes, where: Where) -> None:
    found = list(preflight.examine(where))
    assert [one.name for one in found if not one.ok] == []
    assert all(one.seen and one.needed and one.cure for one in found if one.seen != "not used here")


MISSED = {
    "docker": ("^docker version", "20.10.7", "20.10.7"),
    "kind": ("^kind version", "kind v0.20.0 go1.20 linux/amd64", "0.20.0"),
    "helm": ("^helm version", "v3.8.1", "3.8.1"),
    "kubectl": ("^kubectl version", json.dumps({"clientVersion": {"gitVersion": "v1.28.4"}}), "1.28.4"),
    "memory": ("^docker info", json.dumps({"MemTotal": 4 * 2**30, "NCPU": 8}), "4.0 GiB for Docker"),
    "cpus": ("^docker info", json.dumps({"MemTotal": 16 * 2**30, "NCPU": 2}), "2 for Docker"),
}


@pytest.mark.parametrize("name", MISSED)
def test_each_bar_can_be_missed(fakes: Fakes, name: str) -> None:
    match, out, seen = MISSED[name]
    fakes.answer(match, out)
    found = finding(name)
    assert not found.ok and found.seen == seen and found.cure


@pytest.mark.parametrize(
    ("bar", "name"), [("_INSTANCES", "max_user_instances"), ("_WATCHES", "max_user_watches"), ("_DISK_GIB", "disk")]
)
def test_limits_of_this_machine_are_read(fakes: Fakes, bar: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, bar, 10**9)
    found = finding(name)
    assert not found.ok and str(10**9) in found.needed and found.cure


def test_another_architecture_is_refused(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.platform, "machine", lambda: "riscv64")
    assert not finding("architecture").ok


@pytest.mark.parametrize("minor", ["33", "37"])
def test_a_cluster_outside_of_the_releases_matrix_is_refused(fakes: Fakes, minor: str) -> None:
    fakes.answer("^kubectl --context lab version", json.dumps({"serverVersion": {"major": "1", "minor": minor}}))
    found = finding("kubernetes", CONTEXT)
    assert not found.ok and found.seen == f"1.{minor}" and found.needed == "1.34–1.36"


def test_a_daemon_that_is_down_is_told_from_docker_that_is_missing(fakes: Fakes) -> None:
    fakes.fail("^docker version", "Cannot connect to the Docker daemon")
    assert "does not answer" in finding("docker").seen
    (fakes.folder / "docker").unlink()
    found = finding("docker")
    assert found.seen == "missing" and "iiab up" in found.cure


def test_a_taken_port_names_its_owner_and_the_flag(fakes: Fakes) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        found = finding(f"port {port}", Where(Path("/nowhere"), ports=ports.DEFAULTS | {"gateway": port}))
    assert not found.ok and f"pid {os.getpid()}" in found.seen and "--ports gateway=PORT" in found.cure


def test_pulls_without_an_account_are_said_and_never_in_the_way(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert finding("pulls").ok and "100 pulls per 6 h" in finding("pulls").seen and "--preload" in finding("pulls").cure
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {}}}))
    assert finding("pulls").seen == "with an account"


def test_without_docker_there_is_one_message_exit_code_2_and_nothing_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    home = tmp_path / "home"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("IIAB_HOME", str(home))
    for setting in ("", "auto"):
        monkeypatch.setenv("IIAB_PORTS", setting)
        monkeypatch.setattr("sys.argv", ["iiab", "up", "--engine", "cluster"])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err.strip().splitlines()
        assert ended.value.code == 2 and [line for line in said if line.startswith("Error:")] == [
            "Error: docker: missing; needed: 24.0 or newer."
        ]
        assert said[-1].startswith("  → install Docker and start it") and not home.exists()


def test_the_plan_needs_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    environment = {"IIAB_HOME": str(tmp_path / "home")}
    shown = CliRunner().invoke(app, ["up", "--engine", "cluster", "--plan"], env=environment)
    assert shown.exit_code == 0 and "helm upgrade --install istiod" in shown.stdout
    asked = CliRunner().invoke(app, ["up", "--engine", "cluster", "--plan", "--json"], env=environment)
    assert json.loads(asked.stdout)["steps"][0]["name"] == "cluster"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--context", "lab"], "--context is about a cluster"),
        (["--plan"], "--plan is about a cluster"),
        (["--from", "istiod"], "--from is about a cluster"),
        (["--engine", "podman"], "There is no engine 'podman'"),
        (["--engine", "cluster", "--context", "lab", "--plan"], "has to pull the lab's own images"),
        (["--engine", "cluster", "--context", "lab", "--preload"], "--preload fills the node"),
    ],
)
def test_words_that_do_not_go_together(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["up", *words], env={"IIAB_HOME": str(tmp_path / "home")})
    assert said in str(done.exception) and "→" in str(done.exception) and not (tmp_path / "home").exists()
