"""`iiab kubectl port-forward`, and the same protocol spoken by clients that are not ours: bytes there and back."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import kubernetes
import kubernetes.stream
import pytest
import requests

from iiab_lab.kube import Kube

from .lab import Lab

KEYS = "/.well-known/jwks.json"
IDENTITY = ("-n", "identity")


@contextlib.contextmanager
def forwarding(lab: Lab, *words: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """(local port of the first forward, the command) while it runs."""
    command = [sys.executable, "-m", "iiab_lab.cli", "kubectl", *words]
    process = subprocess.Popen(command, env=lab.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout and process.stderr
        said = process.stdout.readline()
        found = re.fullmatch(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+\n", said)
        assert found, said + process.stderr.read()
        yield int(found[1]), process
    finally:
        process.kill()
        process.wait()


def keys(port: int) -> list[str]:
    answer = requests.get(f"http://127.0.0.1:{port}{KEYS}", timeout=10)
    return [key["kid"] for key in answer.json()["keys"]]


def pod_of(lab: Lab) -> str:
    (pod,) = Kube(lab.home / "kubeconfig").list("v1", "Pod", "identity")
    return str(pod["metadata"]["name"])


@pytest.mark.parametrize("target", ["svc/identity", "service/identity", "deploy/identity", "pod/POD", "POD"])
@pytest.mark.parametrize("flags_first", [True, False])
def test_a_service_a_deployment_or_a_pod_answers(lab: Lab, target: str, flags_first: bool) -> None:
    remote = "80" if target.startswith("s") else "8080"
    words = ["port-forward", target.replace("POD", pod_of(lab)), f":{remote}"]
    with forwarding(lab, *(*IDENTITY, *words) if flags_first else (*words, *IDENTITY)) as (port, _):
        assert keys(port)


def test_ports_go_by_number_and_name_and_many_connections_at_once(lab: Lab) -> None:
    with forwarding(lab, "port-forward", "svc/identity", ":http", *IDENTITY) as (port, process):
        with ThreadPoolExecutor(20) as crowd:
            assert len({tuple(found) for found in crowd.map(lambda _: keys(port), range(60))}) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_port_nobody_listens_on_is_told_and_the_forward_goes_on(lab: Lab) -> None:
    with forwarding(lab, "port-forward", "svc/identity", ":80", *IDENTITY) as (port, _):
        with forwarding(lab, "port-forward", pod_of(lab), ":9", *IDENTITY) as (closed, process):
            for _ in range(2):
                with pytest.raises(requests.ConnectionError):
                    keys(closed)
            assert process.stderr and "forwarding to port 9" in process.stderr.readline()
        assert keys(port)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("svc/identity", ":81"), "does not have a service port 81"),
        (("svc/nobody", ":80"), 'svc "nobody" not found'),
        (("svc/identity", "x:80"), "names no port"),
        (("configmap/identity", ":80"), "cannot forward to a configmap"),
        (("svc/identity", ":80", "--address", "0.0.0.0"), "not loopback"),
        (("svc/identity",), "the following arguments are required: ports"),
    ],
)
def test_what_cannot_be_forwarded_is_said_with_the_cure(lab: Lab, words: tuple[str, ...], says: str) -> None:
    done = lab.kubectl("port-forward", *words, *IDENTITY, check=False)
    assert done.returncode != 0 and says in done.stderr and "→" in done.stderr and "Traceback" not in done.stderr


def test_a_taken_local_port_is_said(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ("port-forward", "svc/identity", f"{taken.getsockname()[1]}:80", *IDENTITY)
        done = lab.kubectl(*words, check=False)
    assert done.returncode != 0 and "cannot be listened on" in done.stderr


def test_the_python_client_forwards_too(lab: Lab) -> None:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(lab.home / "kubeconfig"), client_configuration=configuration)
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    forward = kubernetes.stream.portforward(
        core.connect_get_namespaced_pod_portforward, pod_of(lab), "identity", ports="8080"
    )
    connection = forward.socket(8080)
    connection.sendall(f"GET {KEYS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    assert received.startswith(b"HTTP/1.1 200") and b'"keys"' in received
    assert forward.error(8080) is None
