"""A tenant → what the platform has written down of it: its Pods' logs, and its part of the audit stream; the admin → all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

from .callers import Caller
from .errors import Refused
from .platform import POD, Object, Platform

_SECONDS = 30.0
_PODS = 50
_PIECE = 1 << 16


class Trail:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def logs(self, namespaces: list[str], pod: str, lines: int) -> list[str]:
        """The latest lines of every container of the Pods whose names begin so, each with its place before it."""
        pods = [one for space in namespaces for one in self._platform.list(POD, space)]
        chosen = [one for one in pods if one["metadata"]["name"].startswith(pod)]
        if len(chosen) > _PODS:
            raise Refused(400, f"There are {len(chosen)} Pods", "say which: ?pod= and the beginning of a name")
        return [line for one in chosen for line in self._said(one, lines)]

    def audit(self, who: Caller, asked: dict[str, str]) -> Any:
        """The caller's token says whose requests they are, to the audit service as it does here."""
        if who.namespace != who.tenant:
            raise Refused(404, "There is no audit trail of this tenant", "a tenant's namespace has the tenant's name")
        return self._asked(who, "requests", asked).json()

    def verdict(self, who: Caller) -> Any:
        return self._asked(who, "verdict").json()

    def stream(self, who: Caller) -> Iterator[bytes]:
        """A copy of the whole stream, packed, piece by piece."""
        answer: Iterator[bytes] = self._asked(who, "stream", stream=True).iter_content(_PIECE)
        return answer

    def _asked(self, who: Caller, page: str, params: dict[str, str] | None = None, stream: bool = False) -> Any:
        """The audit service's answer; what it refuses is refused here in its words."""
        url = f"{self._platform.address('audit', 'audit')}/{page}"
        try:
            headers = {"Authorization": f"Bearer {who.token}"}
            answer = requests.get(url, params=params, headers=headers, timeout=_SECONDS, stream=stream)
            said = {} if answer.status_code == 200 else answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Refused(503, "The audit service does not answer", "kubectl get pods -n audit") from error
        if answer.status_code != 200:
            raise Refused(answer.status_code, said["error"], said["details"])
        return answer

    def _said(self, pod: Object, lines: int) -> list[str]:
        meta, said = pod["metadata"], []
        for container in pod["spec"]["containers"]:
            try:
                text = self._platform.logs(meta["name"], meta["namespace"], container["name"], lines)
            except Refused:  # it has not started, or it is gone by now
                continue
            said += [f"{meta['name']}/{container['name']}: {line}" for line in text.splitlines()]
        return said
