"""Pod without a node → bound to the one Node there is.

Reads:  Pods without spec.nodeName.
Writes: spec.nodeName.
Wakes:  on the Pod.
"""

from __future__ import annotations

from ..objects.kinds import NODE, POD, Key
from ..objects.meta import key_of
from ..reconcile.ports import Client, Result, Watch


class Scheduler:
    name = "scheduler"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (
            Watch(POD, lambda pod: [] if pod["spec"].get("nodeName") else [key_of(pod)]),
            Watch(NODE, lambda _: [key_of(pod) for pod in client.list(POD) if not pod["spec"].get("nodeName")]),
        )

    async def reconcile(self, key: Key) -> Result | None:
        pod, nodes = self._client.get(POD, key), self._client.list(NODE)
        if pod is not None and nodes and not pod["spec"].get("nodeName"):
            pod["spec"]["nodeName"] = nodes[0]["metadata"]["name"]
            await self._client.apply({name: pod[name] for name in ("apiVersion", "kind", "metadata", "spec")})
        return None
