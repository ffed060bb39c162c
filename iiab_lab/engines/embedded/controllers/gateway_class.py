"""GatewayClass of our controller → Accepted.

Reads:  GatewayClasses.
Writes: their status.
Wakes:  on the GatewayClass.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import GATEWAY_CLASS, Key
from ..objects.meta import key_of
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch

CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"


class GatewayClassController:
    name = "gatewayclass"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (Watch(GATEWAY_CLASS, lambda found: [key_of(found)]),)

    async def reconcile(self, key: Key) -> Result | None:
        found = self._client.get(GATEWAY_CLASS, key)
        if found is not None and found["spec"]["controllerName"] == CONTROLLER:
            generation = found["metadata"].get("generation", 1)
            now, text = rfc3339(self._clock.now()), "Valid GatewayClass"
            made = condition("Accepted", True, "Accepted", text, now=now, observedGeneration=generation)
            before = (found.get("status") or {}).get("conditions")
            await self._client.set_status(GATEWAY_CLASS, key, {"conditions": merge(before, [made])})
        return None
