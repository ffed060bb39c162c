"""Every request → one line in an audit log, in Kubernetes' audit event form, level Metadata: no bodies, no secrets.

Written off the event loop, rotated at 20 MiB, five files kept.
"""

from __future__ import annotations

import logging
import queue
import uuid
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from time import time

import orjson
from starlette.requests import HTTPConnection

from ..objects.meta import Object
from ..objects.times import rfc3339_micro
from .authn import User
from .info import Info

_MOST, _KEPT = 20 * 2**20, 4


class Audit:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = RotatingFileHandler(path, maxBytes=_MOST, backupCount=_KEPT, delay=True)
        waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self._logger = logging.Logger("audit")
        self._logger.addHandler(QueueHandler(waiting))
        self._listener = QueueListener(waiting, self._file)
        self._listener.start()

    def close(self) -> None:
        """Writes what waits."""
        self._listener.stop()
        self._file.close()

    def write(self, event: Object) -> None:
        self._logger.info("%s", orjson.dumps(event).decode())


class Entry:
    """One request, from when it came in."""

    def __init__(self, request: HTTPConnection, info: Info) -> None:
        self.id, self._request, self._info, self._received = str(uuid.uuid4()), request, info, time()
        self.user: User | None = None
        self.acting_as: User | None = None
        self.reason: str | None = None

    def event(self, stage: str, code: int, reason: str = "", message: str = "") -> Object:
        """`reason` and `message` are a refusal's."""
        request, info = self._request, self._info
        status: Object = {"metadata": {}, "code": code}
        if code >= 400:
            status |= {"status": "Failure", "reason": reason, "message": message}
        decision = {"authorization.k8s.io/decision": "forbid" if self.reason is None else "allow"}
        made = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": self.id,
            "stage": stage,
            "requestURI": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "verb": info.verb,
            "user": self.user.info() if self.user else {},
            "sourceIPs": [request.client.host] if request.client else [],
            "userAgent": request.headers.get("user-agent", ""),
            "responseStatus": status,
            "requestReceivedTimestamp": rfc3339_micro(self._received),
            "stageTimestamp": rfc3339_micro(time()),
            "annotations": decision | {"authorization.k8s.io/reason": self.reason or ""},
        }
        made |= {"impersonatedUser": self.acting_as.info()} if self.acting_as else {}
        return made | ({"objectRef": _about(info)} if info.resource else {})


def _about(info: Info) -> Object:
    fields = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name or info.selected,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {name: value for name, value in fields.items() if value}
