"""PersistentVolumeClaim → Bound: a directory stands for every claim, as a dynamic provisioner's volume would.

Reads:  PersistentVolumeClaims.
Writes: their status.
Wakes:  on the claim.
"""

from __future__ import annotations

from ..objects.kinds import VOLUME_CLAIM, Key
from ..objects.meta import key_of
from ..reconcile.ports import Client, Result, Watch


class VolumeClaimController:
    name = "persistentvolumeclaim"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(VOLUME_CLAIM, lambda claim: [key_of(claim)]),)

    async def reconcile(self, key: Key) -> Result | None:
        claim = self._client.get(VOLUME_CLAIM, key)
        if claim is not None:
            spec = claim.get("spec") or {}
            wanted = (spec.get("resources") or {}).get("requests") or {}
            status = {"phase": "Bound", "accessModes": spec.get("accessModes") or ["ReadWriteOnce"], "capacity": wanted}
            await self._client.set_status(VOLUME_CLAIM, key, status)
        return None
