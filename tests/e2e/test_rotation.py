"""A tenant's signing key is turned over under load: nobody is refused who has a good token, and then whoever has an old one."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import requests

from iiab_lab.target import Target
from iiab_lab.traffic import identity, signing_keys

from .lab import PREDICT, SETOSA, Lab, eventually

PACE = 0.02


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


@pytest.mark.soak
def test_a_key_is_turned_over_with_no_request_failed(lab: Lab, tokens: dict[str, str]) -> None:
    target, tenant = Target.connect(home=lab.home), "tenant-a"
    url, old = lab.url("gateway") + PREDICT, tokens[tenant]
    over, held = threading.Event(), [old]

    def code(session: requests.Session, token: str) -> int:
        return session.post(url, json=SETOSA, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code

    def sent() -> Counter[int]:
        """By turns with the first token and with the newest there is."""
        found: Counter[int] = Counter()
        with requests.Session() as session:
            session.trust_env = False
            while not over.wait(PACE):
                found.update(code(session, token) for token in (old, held[-1]))
        return found

    with ThreadPoolExecutor(2) as crowd:
        crowds = [crowd.submit(sent) for _ in range(2)]
        try:
            before, new = kid(old), signing_keys.rotate(target, tenant)

            def turned() -> bool:
                held.append(identity.token(target, tenant))
                return kid(held[-1]) == new

            eventually(turned, 60)
            over.wait(1)  # a while longer, with both
        finally:
            over.set()
        found = sum((one.result() for one in crowds), Counter())
    assert set(found) == {200} and found.total() > 100 and before != new
    assert signing_keys.retire(target, tenant) == [before]
    with requests.Session() as session:
        session.trust_env = False
        eventually(lambda: code(session, old) == 401)
        assert code(session, held[-1]) == 200
    tokens[tenant] = held[-1]
