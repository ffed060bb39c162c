"""`iiab token TENANT`: prints the JWT and nothing else, so that a shell can take it."""

from __future__ import annotations

from ..target import Target
from ..traffic.identity import token


def print_token(tenant: str) -> None:
    print(token(Target.connect(), tenant))
