"""A real Envoy configured as tier 1, in front of Pods that are servers in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from iiab_lab.engines.embedded.envoy.edge import Edge
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.reconcile.ports import Applied

from ....golden.world import real
from ..processes.test_proxy import POD, free_port
from . import gateway
from .tier_2 import HOST, Tier2


class _Ports(dict[int, int]):
    def __missing__(self, port: int) -> int:
        return self.setdefault(port, free_port())


class Tier1(Tier2):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.ports = _Ports({10080: self.port})

    def apply(self, *objects: Object) -> Edge:  # type: ignore[override]
        made = gateway.translate(*objects, ports=self.ports)
        assert self.wait(self._proxy.apply(POD, made.snapshot)) == Applied()
        return made

    def at(self, listener_port: int) -> int:
        """Where a listener of the Gateway is on loopback."""
        return self.ports[listener_port + 10000 if listener_port < 1024 else listener_port]

    def over_tls(self, host: str, path: str = "/", port: int = 443) -> aiohttp.ClientResponse:
        """Whoever answers, whatever its certificate."""
        return self.wait(self._over_tls(host, path, self.at(port)))

    async def _over_tls(self, host: str, path: str, port: int) -> aiohttp.ClientResponse:
        url, headers = f"https://127.0.0.1:{port}{path}", {"Host": host}
        async with self._session.get(
            url, headers=headers, ssl=False, server_hostname=host, allow_redirects=False
        ) as response:
            await response.read()
            return response

    def echoed(self, text: str, path: str) -> str:
        """Over a WebSocket."""
        return self.wait(self._echoed(text, path))

    async def _echoed(self, text: str, path: str) -> str:
        async with self._session.ws_connect(
            f"http://127.0.0.1:{self.port}{path}", headers={"Host": HOST}, max_msg_size=0
        ) as socket:
            await socket.send_str(text)
            return await socket.receive_str(timeout=10)

    def sent(self, body: bytes, path: str = "/", **headers: str) -> aiohttp.ClientResponse:
        """The response to a POST."""
        return self.wait(self._posted(body, path, headers))

    async def _posted(self, body: bytes, path: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.post(url, data=body, headers={"Host": HOST, **headers}) as response:
            await response.read()
            return response

    def until(self, holds: Callable[[], bool]) -> None:
        self.wait(asyncio.wait_for(self._until(holds), 10))

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.002)

    def hears(self, pod: str, count: int) -> None:
        """Waits until a Pod was sent so many requests: copies come when they come."""
        self.until(lambda: len(self.backends[pod].seen) >= count)


def certificate(name: str, namespace: str = "gateways") -> Object:
    """A Secret with a genuine pair."""
    meta = {"name": name, "namespace": namespace}
    data = real({"tls.crt": "CERTIFICATE", "tls.key": "KEY"})
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": meta, "stringData": data}
