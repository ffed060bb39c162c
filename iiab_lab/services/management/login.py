"""A password → the admin's token. The Secret is read anew each time; what is compared are slow hashes; attempts are limited.

scrypt with N=2¹⁴, r=8, p=1 (RFC 7914) costs some 30 ms and 16 MiB. Five attempts a minute may fail for one name, thirty for
all; by address nothing is told apart, because everybody comes through the same proxies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from .edge import Edge
from .errors import Refused
from .platform import SECRET, Platform

PASSWORD = ("management-admin", "default")
CLIENT = ("identity-admin-client", "identity")
_ONE, _ALL = RateLimitItemPerMinute(5), RateLimitItemPerMinute(30)


class Login:
    def __init__(self, platform: Platform, edge: Edge) -> None:
        self._platform, self._edge = platform, edge
        self._failures = MovingWindowRateLimiter(MemoryStorage())
        self._salt = secrets.token_bytes(16)

    def __call__(self, username: str, password: str) -> str:
        """→ a token of the identity service; raises 401, and 429 with Retry-After."""
        tried = ((_ONE, username), (_ALL, "everybody"))
        for item, who in tried:
            if not self._failures.test(item, who):
                seconds = max(1, round(self._failures.get_window_stats(item, who).reset_time - time.time()))
                raise Refused(429, "Too many attempts", f"try again in {seconds} s", {"Retry-After": str(seconds)})
        if not self._is_right(username, password):
            for item, who in tried:
                self._failures.hit(item, who)
            raise Refused(401, "Invalid credentials", f"the password is in the Secret {'/'.join(PASSWORD[::-1])}")
        return self._edge.token(*CLIENT)

    def _is_right(self, username: str, password: str) -> bool:
        """Takes as long for a name that is not known."""
        known_name, known = self._known()
        same = hmac.compare_digest(self._hash(password), self._hash(known))
        return bool(known) and same and hmac.compare_digest(username.encode(), known_name.encode())

    def _known(self) -> tuple[str, str]:
        data = ((self._platform.get(SECRET, *PASSWORD) or {}).get("data")) or {}
        name, password = (base64.b64decode(data.get(field, "")).decode() for field in ("username", "password"))
        return name, password

    def _hash(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode(), salt=self._salt, n=2**14, r=8, p=1)
