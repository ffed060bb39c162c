"""A real API server over HTTPS on a free port, over a real store, with what any API server has from its start, and no more."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded.apiserver.app import ApiServer, Doors, Metrics
from iiab_lab.engines.embedded.apiserver.audit import Audit
from iiab_lab.engines.embedded.apiserver.authn import Authenticator, Tokens
from iiab_lab.engines.embedded.apiserver.authz import Authorizer
from iiab_lab.engines.embedded.apiserver.plugins import Doings, plugins
from iiab_lab.engines.embedded.apiserver.serve import Server
from iiab_lab.engines.embedded.bootstrap import CHARTS
from iiab_lab.engines.embedded.controllers.certificate_signing_request import CertificateSigningRequestController
from iiab_lab.engines.embedded.controllers.cluster_role import ClusterRoleController
from iiab_lab.engines.embedded.controllers.custom_resource_definition import CustomResourceDefinitionController
from iiab_lab.engines.embedded.controllers.garbage_collector import GarbageCollector
from iiab_lab.engines.embedded.controllers.namespace import NamespaceController
from iiab_lab.engines.embedded.controllers.resource_quota import ResourceQuotaController
from iiab_lab.engines.embedded.credentials import Credentials
from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.sandbox import Usage
from iiab_lab.engines.embedded.reconcile.clock import SystemClock
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.engines.embedded.reconcile.manager import Manager
from iiab_lab.engines.embedded.reconcile.manager import Metrics as ManagerMetrics
from iiab_lab.engines.embedded.store.admission.plugins import GENERAL, PLUGINS
from iiab_lab.engines.embedded.store.definitions import served
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube, documents

from .kubectl import KUBECTL, Kubectl

MERGE = {"Content-Type": "application/merge-patch+json"}
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Measured:
    """A meter that tells what it is given: by uid of a Pod, and of the Node."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Usage]] = {}
        self.whole: Usage | None = None

    def usage(self, uid: str) -> dict[str, Usage]:
        return self.pods.get(uid, {})

    async def forget(self, namespace: str) -> None:
        """No Pod ever ran here."""

    def node(self) -> Usage | None:
        return self.whole


class Running:
    """The server in a thread of its own, as its clients see it."""

    def __init__(self, home: Path) -> None:
        self.home, self.kubeconfig = home, home / "kubeconfig"
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(20), "the API server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        credentials = Credentials.open(self.home / "pki", port)
        credentials.write_kubeconfig(self.kubeconfig)
        self.credentials, self.url = credentials, f"https://127.0.0.1:{port}"
        store = await Store.open(self.home / "store.db", Registry.load(), PLUGINS, GENERAL)
        tokens, authorizer = Tokens(credentials.token_key, store.read), Authorizer(store)
        self.listeners: dict[int, int] = {}  # containerPort → port of whoever plays the application of every Pod

        async def dial(pod: Key, uid: str, port: int) -> Any:
            return await asyncio.open_connection("127.0.0.1", self.listeners.get(port, 1))

        self.meter = Measured()
        doings = Doings(lambda *key: self.home / "logs" / "-".join(map(str, key)), dial, self.meter)
        handlers = plugins(tokens, authorizer, doings, time.time)
        metrics, audit = Metrics(), Audit(self.home / "audit.log")
        doors = Doors(Authenticator(credentials.admin_token, tokens), authorizer, audit.write)
        app = ApiServer(store, doors, handlers, metrics)
        server = Server(app, port, credentials.certificate, credentials.key, credentials.client_ca)
        await server.start()
        client = LocalClient(store)
        for definition in served():
            await client.apply(definition)
        for path in sorted(CHARTS.glob("*.yaml")):
            for _, obj in documents(path):
                if obj["kind"] == "Namespace" or path.name == "rbac.yaml":
                    await client.apply(obj)
        clock = SystemClock()
        common = [
            ClusterRoleController(client),
            NamespaceController(client, clock, self.meter, credentials.ca_pem),
            GarbageCollector(client),
            CustomResourceDefinitionController(client, clock),
            ResourceQuotaController(client),
            CertificateSigningRequestController(client, clock, credentials.sign_client),
        ]
        manager = Manager(client, clock, common, ManagerMetrics(metrics.registry))
        manager.start()
        self._ready.set()
        await self._stop.wait()
        await manager.stop()
        await server.stop()
        await store.close()
        audit.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("apiserver")) as running:
        yield running


@pytest.fixture
def kube(server: Running) -> Kube:
    return Kube(server.kubeconfig)


@pytest.fixture
def space(kube: Kube, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]
    name = f"{re.sub('[^a-z0-9]+', '-', request.node.originalname)[:40].strip('-')}-{digest}"
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture(params=KUBECTL)
def kubectl(request: pytest.FixtureRequest, server: Running, space: str, tmp_path: Path) -> Kubectl:
    return Kubectl(request.param, server.kubeconfig, space, tmp_path)


def refusal(call: Callable[[], Any]) -> tuple[int, str, str]:
    """(code, reason, message) with which a call is refused."""
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.code, caught.value.reason, caught.value.message


def who(kube: Kube) -> dict[str, Any]:
    found: dict[str, Any] = kube.raw("POST", WHO, json={}).json()["status"]["userInfo"]
    return found


def eventually(fact: Callable[[], Any], seconds: float = 15) -> Any:
    """The first truthy value; what is awaited is a fact, not a time."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return found
