"""An opaque random id in a cookie ⇄ a token that never leaves this process's memory, until the token expires."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST, _NOTES = 1000, 20


@dataclass
class Session:
    """`said` is the console's history: (command, answer), the latest first."""

    id: str
    token: str = field(repr=False)
    expires: float
    said: list[tuple[str, str]] = field(default_factory=list)
    _notes: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def leave(self, **note: Any) -> str:
        """What the next page shows once, a new key for one → the name under which it waits."""
        name = secrets.token_urlsafe(9)
        self._notes[name] = note
        while len(self._notes) > _NOTES:
            self._notes.pop(next(iter(self._notes)), None)
        return name

    def take(self, name: str) -> dict[str, Any] | None:
        return self._notes.pop(name, None)


class Sessions:
    """Safe from any thread. Beyond a thousand, whoever signed in first has to sign in again."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now, self._lock = now, threading.Lock()
        self._held: dict[str, Session] = {}

    def begin(self, token: str, expires: float) -> Session:
        made = Session(secrets.token_urlsafe(32), token, expires)
        with self._lock:
            self._held = {id_: one for id_, one in self._held.items() if one.expires > self._now()}
            while len(self._held) >= _MOST:
                self._held.pop(next(iter(self._held)))
            self._held[made.id] = made
        return made

    def find(self, id_: str) -> Session | None:
        with self._lock:
            found = self._held.get(id_)
            if found and found.expires <= self._now():
                del self._held[id_]
                return None
        return found

    def end(self, id_: str) -> None:
        with self._lock:
            self._held.pop(id_, None)
