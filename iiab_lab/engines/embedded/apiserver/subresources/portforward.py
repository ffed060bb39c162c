"""A WebSocket on pods/NAME/portforward ⇄ TCP connections to the Pod's ports: Kubernetes' channel protocol.

Port i has channel 2i for its data and 2i+1 for errors; the first frame of each is the port as two bytes. What
`kubernetes.stream.portforward`, kr8s and `iiab kubectl port-forward` speak. kubectl tunnels SPDY, which is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .....errors import ApiError
from ...objects.kinds import POD, Key
from ...store.store import Store
from ..authn import User
from ..info import Info
from . import Socket

# (pod, uid, containerPort) → a connection to whoever listens there; OSError where nobody does.
Dial = Callable[[Key, str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
_PROTOCOLS = ("v4.channel.k8s.io", "channel.k8s.io")
_CHUNK, _MOST_PORTS = 64 * 1024, 16


def make(dial: Dial) -> Socket:
    def connect(socket: WebSocket, info: Info, user: User, store: Store) -> Awaitable[None]:
        del user
        offered = socket.scope.get("subprotocols") or []
        chosen = next((name for name in _PROTOCOLS if name in offered), None)
        if offered and chosen is None:
            spoken = f"port-forward over WebSocket speaks {_PROTOCOLS[0]}, not {', '.join(offered)}"
            raise ApiError(400, "BadRequest", spoken, "iiab kubectl port-forward …")
        pod = store.read(POD, info.key)
        if pod is None:
            raise ApiError(404, "NotFound", f'pods "{info.name}" not found')
        phase = (pod.get("status") or {}).get("phase")
        if phase != "Running":
            said = f"unable to forward port because pod is not running. Current status={phase}"
            raise ApiError(400, "BadRequest", said, f"iiab kubectl wait --for=condition=Ready pod/{info.name}")
        return Forwarding(socket, dial, info.key, pod["metadata"]["uid"]).run(_ports(socket), chosen)

    return connect


def _ports(socket: WebSocket) -> list[int]:
    given = [part for value in socket.query_params.getlist("ports") for part in value.split(",")]
    if not given or len(given) > _MOST_PORTS or not all(p.isascii() and p.isdecimal() for p in given):
        raise ApiError(400, "BadRequest", 'query parameter "ports" is required', "add ?ports=8080")
    ports = [int(part) for part in given]
    if not all(0 < port < 65536 for port in ports):
        raise ApiError(400, "BadRequest", f"{max(ports)} is no port", "choose one from 1 to 65535")
    return ports


class Forwarding:
    def __init__(self, socket: WebSocket, dial: Dial, pod: Key, uid: str) -> None:
        self._socket, self._dial, self._pod, self._uid = socket, dial, pod, uid
        self._writers: dict[int, asyncio.Future[asyncio.StreamWriter]] = {}  # by channel, once they are dialled

    async def run(self, ports: list[int], protocol: str | None) -> None:
        await self._socket.accept(protocol)
        for channel, port in enumerate(ports):
            self._writers[2 * channel] = asyncio.get_running_loop().create_future()
            for number in (2 * channel, 2 * channel + 1):
                await self._socket.send_bytes(bytes([number]) + port.to_bytes(2, "little"))
        pumps = [asyncio.create_task(self._out(channel, port)) for channel, port in enumerate(ports)]
        back = asyncio.create_task(self._in())
        try:
            all_out: asyncio.Future[list[None]] = asyncio.ensure_future(asyncio.gather(*pumps))
            waits: set[asyncio.Future[Any]] = {back, all_out}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (back, *pumps):
                task.cancel()
            await asyncio.gather(back, *pumps, return_exceptions=True)
            await self._close()

    async def _out(self, channel: int, port: int) -> None:
        """The Pod's bytes, until it closes."""
        try:
            reader, writer = await self._dial(self._pod, self._uid, port)
            self._writers[2 * channel].set_result(writer)
            while chunk := await reader.read(_CHUNK):
                await self._socket.send_bytes(bytes([2 * channel]) + chunk)
        except OSError as error:
            said = f"an error occurred forwarding to port {port} of pod {self._pod}: {error}"
            await self._socket.send_bytes(bytes([2 * channel + 1]) + said.encode())

    async def _in(self) -> None:
        """The client's bytes, until it goes; those for a port that is still being dialled wait."""
        with contextlib.suppress(WebSocketDisconnect, ConnectionError):
            while True:
                frame = await self._socket.receive_bytes()
                if len(frame) > 1 and frame[0] in self._writers:
                    writer = await self._writers[frame[0]]
                    writer.write(frame[1:])
                    await writer.drain()

    async def _close(self) -> None:
        for dialled in self._writers.values():
            if dialled.done() and not dialled.cancelled():
                dialled.result().close()
            dialled.cancel()
        if self._socket.application_state == self._socket.client_state == WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError):
                await self._socket.close()
