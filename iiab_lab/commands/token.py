"""`iiab token TENANT`: prints the JWT and nothing else, so that a shell can take it."""

from __future__ import annotations

from ..target import Target
from ..traffic.identity import token


def print_token(tenant: str, new_key: bool = False, retire_keys: bool = False) -> None:
    target = Target.connect()
    if new_key or retire_keys:
        # Imported when asked for: the identity service's own code is slow to load.
        from ..traffic import signing_keys

        if new_key:
            signing_keys.rotate(target, tenant)
        if retire_keys:
            signing_keys.retire(target, tenant)
    print(token(target, tenant))
