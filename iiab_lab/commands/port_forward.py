"""`iiab kubectl port-forward [TYPE/]NAME [LOCAL:]REMOTE …`: a port on loopback → a port of a Pod, through the API server.

kubectl's own speaks SPDY, which the embedded engine does not serve; this one speaks Kubernetes' WebSocket protocol, on either
engine. Every connection is a WebSocket of its own, so none waits for another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import quote

import websockets
from websockets.asyncio.client import ClientConnection, connect

from ..errors import LabError, UsageError
from ..kube import Kube, Object

_USAGE = "iiab kubectl port-forward svc/NAME 8085:80 -n NAMESPACE"
_LOOPBACK = ("localhost", "127.0.0.1")
_KINDS = {
    "pod": ("v1", "Pod"),
    "svc": ("v1", "Service"),
    "service": ("v1", "Service"),
    "deploy": ("apps/v1", "Deployment"),
    "deployment": ("apps/v1", "Deployment"),
    "rs": ("apps/v1", "ReplicaSet"),
    "replicaset": ("apps/v1", "ReplicaSet"),
}
_CHUNK = 64 * 1024


class Forward(NamedTuple):
    """`local` 0 lets the system choose."""

    local: int
    remote: int


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"iiab kubectl port-forward: {message}", _USAGE)


def main(arguments: list[str], kubeconfig: Path) -> int:
    options = _parse(arguments)
    kube = Kube(kubeconfig)
    pod, forwards = _target(kube, options)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(kube, options.namespace, pod, forwards))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="iiab kubectl port-forward", description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("target", help="POD, svc/NAME, deploy/NAME or rs/NAME")
    parser.add_argument(
        "ports", nargs="+", help="[LOCAL:]REMOTE, a number or a Service port's name; :REMOTE is any free"
    )
    parser.add_argument("-n", "--namespace", default="default")
    parser.add_argument("--address", default="localhost", help="loopback only")
    options = parser.parse_intermixed_args(arguments)
    if options.address not in _LOOPBACK:
        raise UsageError(f"{options.address} is not loopback: a forward is as open as its port.", "--address localhost")
    return options


def _target(kube: Kube, options: argparse.Namespace) -> tuple[str, list[Forward]]:
    """A ready Pod of what the words name, and its ports."""
    kind, slash, name = options.target.partition("/")
    kind, name = (kind.rstrip("s") if kind != "rs" else kind, name) if slash else ("pod", kind)
    if kind not in _KINDS:
        raise UsageError(f"cannot forward to a {kind}", f"choose one of: {', '.join(_KINDS)}")
    obj = kube.get(*_KINDS[kind], name, options.namespace)
    if obj is None:
        where = f'{kind} "{name}" not found in the namespace {options.namespace}'
        raise UsageError(where, f"iiab kubectl get {kind} -n {options.namespace}")
    pod = obj if kind == "pod" else _pod_of(kube, obj, options.namespace)
    return pod["metadata"]["name"], [_forward(text, obj, pod) for text in options.ports]


def _pod_of(kube: Kube, obj: Object, namespace: str) -> Object:
    selector = obj["spec"].get("selector") or {}
    labels = selector.get("matchLabels", {}) if obj["kind"] != "Service" else selector
    wanted = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = kube.raw("GET", kube.path("v1", "Pod", namespace), params={"labelSelector": wanted}).json()["items"]
    ready = [pod for pod in pods if labels and _is_ready(pod)]
    if not ready:
        name = f"{obj['kind']} {namespace}/{obj['metadata']['name']}"
        raise LabError(f"No Pod of {name} is ready.", f"iiab kubectl get pods -n {namespace}")
    return ready[0]


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _forward(text: str, obj: Object, pod: Object) -> Forward:
    local, colon, remote = text.partition(":")
    remote = remote if colon else local
    number = _container_port(remote, obj, pod)
    given = (local or "0") if colon else (local if local.isdecimal() else str(number))
    if not given.isdecimal() or not 0 <= int(given) < 65536:
        raise UsageError(f"{text!r} names no port", _USAGE)
    return Forward(int(given), number)


def _container_port(word: str, obj: Object, pod: Object) -> int:
    """A Service's port leads to its targetPort; a name is looked up in the Pod."""
    if obj["kind"] == "Service":
        port = next((p for p in obj["spec"].get("ports") or () if word in (str(p["port"]), p.get("name"))), None)
        if port is None:
            known = ", ".join(str(p["port"]) for p in obj["spec"].get("ports") or ())
            raise UsageError(
                f"Service {obj['metadata']['name']} does not have a service port {word}", f"it has: {known}"
            )
        word = str(port.get("targetPort", port["port"]))
    if word.isdecimal():
        return int(word)
    named = [p for c in pod["spec"]["containers"] for p in c.get("ports") or () if p.get("name") == word]
    if not named:
        raise UsageError(f"Pod {pod['metadata']['name']} has no port named {word!r}", _USAGE)
    return int(named[0]["containerPort"])


async def _serve(kube: Kube, namespace: str, pod: str, forwards: list[Forward]) -> None:
    """Listens until it is interrupted."""
    servers = []
    for forward in forwards:

        async def handle(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: int = forward.remote
        ) -> None:
            await _one(
                kube, f"/api/v1/namespaces/{namespace}/pods/{quote(pod)}/portforward?ports={remote}", reader, writer
            )

        try:
            server = await asyncio.start_server(handle, "127.0.0.1", forward.local)
        except OSError as error:
            raise LabError(
                f"Port {forward.local} cannot be listened on: {error.strerror}.", "choose another: :80"
            ) from error
        servers.append(server)
        print(f"Forwarding from 127.0.0.1:{server.sockets[0].getsockname()[1]} -> {forward.remote}", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _one(kube: Kube, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    print(f"Handling connection for {writer.get_extra_info('sockname')[1]}", flush=True)
    url = kube.server.replace("http", "ws", 1) + path
    headers = {"Authorization": str(kube.session.headers.get("Authorization", ""))}
    try:
        async with connect(
            url,
            ssl=_context(kube),
            additional_headers=headers,
            subprotocols=[websockets.Subprotocol("v4.channel.k8s.io")],
            max_size=None,
            proxy=None,
        ) as socket:
            tasks = [asyncio.create_task(_send(reader, socket)), asyncio.create_task(_receive(socket, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    except (OSError, websockets.WebSocketException) as error:
        print(f"error: {_said(error)}", file=sys.stderr, flush=True)
    finally:
        writer.close()


async def _send(reader: asyncio.StreamReader, socket: ClientConnection) -> None:
    while chunk := await reader.read(_CHUNK):
        await socket.send(b"\0" + chunk)


async def _receive(socket: ClientConnection, writer: asyncio.StreamWriter) -> None:
    """The first frame of each channel is the port; channel 1 is for errors."""
    begun: set[int] = set()
    async for frame in socket:
        data = frame.encode() if isinstance(frame, str) else frame
        if data[0] not in begun:
            begun.add(data[0])
        elif data[0] == 1:
            print(f"error: {data[1:].decode(errors='replace')}", file=sys.stderr, flush=True)
            return
        else:
            writer.write(data[1:])
            await writer.drain()


def _context(kube: Kube) -> ssl.SSLContext | None:
    return kube.tls if kube.server.startswith("https") else None


def _said(error: Exception) -> str:
    if isinstance(error, websockets.InvalidStatus):
        return (error.response.body or b"").decode(errors="replace")
    return str(error)
