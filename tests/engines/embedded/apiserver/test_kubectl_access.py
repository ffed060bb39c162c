"""kubectl asks who may do what, acts for others, and reads the logs of a Pod; what no Pod here can do is said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from iiab_lab import holes
from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.kube import Kube

from .conftest import Running, eventually, refusal
from .kubectl import Kubectl

ROBOT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NS}
rules: [{apiGroups: [""], resources: [pods, pods/log], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads}
subjects: [{kind: ServiceAccount, name: robot, namespace: NS}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
"""
RAN = {"startedAt": "2026-01-01T00:00:00Z"}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-01T00:00:00Z"}}


@pytest.fixture
def robot(kubectl: Kubectl) -> str:
    """A service account that may read Pods; --as=…"""
    kubectl.apply(ROBOT.replace("NS", kubectl.namespace))
    return f"--as=system:serviceaccount:{kubectl.namespace}:robot"


@pytest.fixture
def log(server: Running, kubectl: Kubectl) -> Path:
    """Where the second run of the one container of Pod `one` writes to; of the first run it says "before"."""
    kubectl("run", "one", "--image=x", "--labels=app=one")
    report(kubectl, {"running": RAN})
    uid = kubectl.read("pod", "one")["metadata"]["uid"]
    files = [server.home / "logs" / f"{Key(kubectl.namespace, 'one')}-{uid}-one-{attempt}" for attempt in range(2)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    files[0].write_text("before\n")
    files[1].write_text("old\nnew\nlast\n")
    return files[1]


def report(kubectl: Kubectl, state: dict[str, object]) -> None:
    """The kubelet's part: the container was started twice and is now so."""
    container = {"name": "one", "image": "x", "ready": True, "restartCount": 1, "state": state, "lastState": ENDED}
    patch = json.dumps({"status": {"phase": "Running", "containerStatuses": [container]}})
    kubectl("patch", "pod", "one", "--subresource=status", "--type=merge", "-p", patch)


def test_a_service_account_may_do_what_its_role_says(server: Running, kubectl: Kubectl, robot: str) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}"
    nobody = kubectl.folder / "nobody"
    nobody.write_text(server.credentials.kubeconfig(kubectl("create", "token", "robot").strip(), kubectl.namespace))
    account = Kube(nobody)
    assert account.list("v1", "Pod", kubectl.namespace) == []
    for refused in (f"{path}/secrets", "/api/v1/pods", "/api/v1/namespaces/default/pods"):
        code, _, message = refusal(lambda: account.raw("GET", refused))  # noqa: B023
        assert code == 403 and "system:serviceaccount" in message


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("list", "pods"), "yes"),
        (("get", "pods", "--subresource=log"), "yes"),
        (("delete", "pods"), "no"),
        (("list", "secrets"), "no"),
        (("list", "pods", "-A"), "no"),
        (("get", "/version"), "yes"),
        (("get", "/metrics"), "no"),
    ],
)
def test_whether_somebody_can_is_answered_and_so_it_is(
    kubectl: Kubectl, robot: str, asked: tuple[str, ...], answer: str
) -> None:
    code, said = kubectl.run("auth", "can-i", *asked, robot)
    assert (said.splitlines()[-1], code) == (answer, int(answer == "no"))


def test_an_administrator_can_and_a_stranger_cannot(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "*", "*") == "yes\n"
    assert kubectl.refused("auth", "can-i", "create", "deployments.apps", "--as=joe").startswith("no")


def test_the_list_of_what_one_can_names_roles_and_what_everybody_can(kubectl: Kubectl, robot: str) -> None:
    rows = [line.split() for line in kubectl("auth", "can-i", "--list", robot).splitlines()]
    assert ["pods", "[]", "[]", "[get", "list]"] in rows and ["pods/log", "[]", "[]", "[get", "list]"] in rows
    assert ["[/version]", "[]", "[get]"] in rows
    assert ["*.*", "[]", "[]", "[*]"] in [line.split() for line in kubectl("auth", "can-i", "--list").splitlines()]


def test_who_one_is_is_answered_for_whom_one_acts_too(kubectl: Kubectl, robot: str) -> None:
    assert json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"] == "kubernetes-admin"
    joe = json.loads(kubectl("auth", "whoami", "--as=joe", "--as-group=devs", "--as-uid=7", "-o", "json"))
    assert joe["status"]["userInfo"] == {"username": "joe", "uid": "7", "groups": ["devs", "system:authenticated"]}
    account = json.loads(kubectl("auth", "whoami", robot, "-o", "json"))["status"]["userInfo"]
    assert f"system:serviceaccounts:{kubectl.namespace}" in account["groups"]


def test_acting_for_somebody_gives_their_rights_alone(kubectl: Kubectl, robot: str) -> None:
    kubectl("get", "pods", robot)
    said = kubectl.refused("get", "secrets", robot)
    user = robot.removeprefix("--as=")
    assert (
        f'User "{user}" cannot list resource "secrets" in API group "" in the namespace "{kubectl.namespace}"' in said
    )
    token = kubectl("create", "token", "robot").strip()
    assert 'cannot impersonate resource "users"' in kubectl.refused("get", "pods", "--as=joe", f"--token={token}")


def test_rights_are_reconciled(kubectl: Kubectl, robot: str) -> None:
    role = ROBOT.split("---")[1].replace("pods, pods/log", "secrets").replace("NS", kubectl.namespace)
    assert "reconciled" in kubectl("auth", "reconcile", "-f", "-", stdin=role)
    assert kubectl("auth", "can-i", "list", "secrets", robot) == "yes\n"
    assert kubectl("auth", "can-i", "list", "pods", robot) == "yes\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "one", "--", "ls"), "pods/exec: a Pod is a process"),
        (("attach", "one"), "pods/attach: a Pod has no terminal"),
        (("port-forward", "one", ":80"), "iiab kubectl port-forward"),
        (("cp", "one:/etc/hosts", "here"), "pods/exec: a Pod is a process"),
        (("debug", "one", "--image=x"), "pods/ephemeralcontainers: a Pod takes no debug containers"),
    ],
)
def test_what_needs_a_container_says_what_to_use_instead(
    kubectl: Kubectl, log: Path, words: tuple[str, ...], said: str
) -> None:
    shown = kubectl.refused(*words)
    assert said in shown and "iiab kubectl" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "old\nnew\nlast\n"),
        (("--tail=2",), "new\nlast\n"),
        (("--tail=0",), ""),
        (("--limit-bytes=5",), "old\nn"),
        (("--previous",), "before\n"),
        (("--since=60s",), "new\nlast\n"),
        (("--since=60s", "--tail=1"), "last\n"),
        (("--since-time=2001-09-09T01:46:41Z",), "new\nlast\n"),
        (("-c", "one"), "old\nnew\nlast\n"),
    ],
)
def test_logs_are_shown_in_part(kubectl: Kubectl, log: Path, options: tuple[str, ...], said: str) -> None:
    log.with_suffix(".times").write_text(f"1000000000 4\n{time.time()} 13\n")
    assert kubectl("logs", "one", *options) == said


def test_logs_have_times_and_names_and_come_by_label(kubectl: Kubectl, log: Path) -> None:
    log.with_suffix(".times").write_text("1000000000 4\n1000000001 13\n")
    first = "2001-09-09T01:46:40"
    assert kubectl("logs", "one", "--timestamps").startswith(first)
    assert kubectl("logs", "-l", "app=one", "--prefix", "--tail=1") == "[pod/one/one] last\n"


def test_of_a_log_that_lost_its_front_whole_lines_are_shown(kubectl: Kubectl, log: Path) -> None:
    """Offsets do not move with it, so that what is marked and followed stays right."""
    lines = "".join(f"{number:07d}\n" for number in range(1024))
    log.write_text("x" * 4 + "\n" + lines)
    with log.open("r+b") as file:
        assert holes.punch(file.fileno(), holes.BLOCK)
    log.with_suffix(".times").write_text(f"1000000000 {5 + 1000 * 8}\n{time.time()} {5 + 1024 * 8}\n")
    assert kubectl("logs", "one") == lines[512 * 8 :]
    assert kubectl("logs", "one", "--since=60s") == lines[1000 * 8 :]
    stamped = kubectl("logs", "one", "--timestamps").splitlines()
    assert stamped[0].startswith("2001-09-09T01:46:40") and stamped[0].endswith(" 0000512")
    assert not stamped[-1].startswith("2001")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("logs", "none"), 'pods "none" not found'),
        (("logs", "one", "-c", "two"), "container two is not valid for pod one"),
        (("logs", "waits"), 'container "waits" in pod "waits" is waiting to start: ContainerCreating'),
        (("logs", "waits", "--previous"), 'previous terminated container "waits" in pod "waits" not found'),
    ],
)
def test_logs_that_are_not_there_are_said_to_be_so(
    kubectl: Kubectl, log: Path, words: tuple[str, ...], said: str
) -> None:
    kubectl("run", "waits", "--image=x")
    assert said in kubectl.refused(*words)


def test_logs_are_followed_until_the_container_ends(kubectl: Kubectl, log: Path) -> None:
    with kubectl.going_on("logs", "-f", "one", "--tail=1") as (process, said):
        eventually(lambda: said == ["last"])
        with log.open("a") as file:
            file.write("more\n")
        eventually(lambda: said == ["last", "more"])
        assert process.poll() is None
        report(kubectl, ENDED)
        assert process.wait(30) == 0
