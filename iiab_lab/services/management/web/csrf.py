"""Was a form sent by a page of ours, to the one who sends it? A token per session in every form, and the browser's Origin.

The token is a MAC of the cookie's id, so nothing is kept for those who have not signed in yet. Browsers send Origin with
every POST; who sends none is a program, and programs have the REST API.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from fastapi import Request

from ..errors import Refused

FIELD = "csrf"


class Csrf:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token(self, id_: str) -> str:
        return hmac.new(self._key, id_.encode(), hashlib.sha256).hexdigest()

    def require(self, id_: str, given: object) -> None:
        if not id_ or not hmac.compare_digest(self.token(id_).encode(), str(given or "").encode()):
            raise Refused(403, "This form is out of date", "Go back, reload the page and send it again.")


def require_same_origin(request: Request) -> None:
    """The host alone is compared: TLS ends at the gateway, and this service cannot know the scheme."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    if not host or urlsplit(origin).netloc != host:
        raise Refused(403, "This form was sent from another site", "Open the page here and send it again.")
