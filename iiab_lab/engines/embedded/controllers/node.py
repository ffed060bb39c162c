"""This machine → the one Node.

Reads:  its Node.
Writes: the Node and its status (Ready).
Wakes:  once at the start, and on the Node.
"""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncIterator

from ..objects.conditions import condition, merge
from ..objects.kinds import NODE, Key
from ..objects.meta import key_of, new
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch

NAME = "iiab"


class NodeController:
    name = "node"

    def __init__(self, client: Client, clock: Clock, memory: int) -> None:
        self._client, self._clock, self._memory = client, clock, memory
        self.watches = (Watch(NODE, lambda node: [key_of(node)]),)

    async def wakes(self) -> AsyncIterator[Key]:
        yield Key("", NAME)

    async def reconcile(self, key: Key) -> Result | None:
        if key.name != NAME:
            return None
        labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": platform.system().lower()}
        node = await self._client.apply(new(NODE, NAME, labels=labels))
        ready = condition("Ready", True, "KubeletReady", "processes can be started", now=rfc3339(self._clock.now()))
        size = {"cpu": str(os.cpu_count()), "memory": f"{self._memory // 1024}Ki"}
        status = {
            "capacity": size,
            "allocatable": size,
            "conditions": merge((node.get("status") or {}).get("conditions"), [ready]),
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NAME}],
            "nodeInfo": {
                "architecture": platform.machine(),
                "kernelVersion": platform.release(),
                "kubeletVersion": "v1.34.0+iiab",
                "operatingSystem": platform.system().lower(),
                "osImage": platform.platform(terse=True),
            },
        }
        await self._client.set_status(NODE, key, status)
        return None
