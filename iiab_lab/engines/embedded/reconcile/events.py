"""What happened to an object → an Event that `kubectl describe` shows; the same again only counts up."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any

from ....errors import ApiError
from ..objects.kinds import EVENT, Key
from ..objects.meta import Object, new
from ..objects.times import rfc3339
from .ports import Client, Clock

log = logging.getLogger(__name__)


class Recorder:
    """What is told is written soon, in order; nobody waits for it."""

    def __init__(self, client: Client, clock: Clock, component: str) -> None:
        self._client, self._clock, self._component = client, clock, component
        self._last: asyncio.Task[None] | None = None

    async def __call__(self, about: Object, reason: str, message: str, type_: str = "Normal") -> None:
        self._last = asyncio.create_task(self._after(self._last, about, reason, message, type_))

    async def _after(self, last: asyncio.Task[None] | None, *told: Any) -> None:
        if last:
            await asyncio.wait([last])
        try:
            await self._write(*told)
        except Exception:  # an Event is worth no more than a line
            log.warning("an Event is lost: %s", told[1:], exc_info=True)

    async def _write(self, about: Object, reason: str, message: str, type_: str) -> None:
        meta = about["metadata"]
        namespace = meta.get("namespace") or "default"
        same = hashlib.sha256(f"{meta['uid']}|{reason}|{message}|{type_}".encode()).hexdigest()[:16]
        name = f"{meta['name'][:200]}.{same}"
        before = self._client.get(EVENT, Key(namespace, name)) or {}
        now = rfc3339(self._clock.now())
        event = new(EVENT, name, namespace, **self._body(about, before, now))
        try:
            await self._client.apply(event | {"reason": reason, "message": message, "type": type_})
        except ApiError as error:
            if error.code not in (403, 404, 409):  # the namespace goes away: nobody will look for it
                raise

    def _body(self, about: Object, before: Object, now: str) -> dict[str, Any]:
        meta = about["metadata"]
        names = ("namespace", "name", "uid", "resourceVersion")
        about_reference = {name: meta[name] for name in names if name in meta}
        return {
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], **about_reference},
            "count": before.get("count", 0) + 1,
            "firstTimestamp": before.get("firstTimestamp") or now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": self._component,
        }
