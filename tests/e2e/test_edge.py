"""What the edge says to those who ask it, on either listener; and the strict one, on which HTTP only says where HTTPS is."""

from __future__ import annotations

import pytest
import requests

from iiab_lab.assets import manifests

from .lab import PREDICT, SETOSA, Lab, eventually

HARDENED = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}


def predict(lab: Lab, endpoint: str, token: str) -> requests.Response:
    headers, ca = {"Authorization": f"Bearer {token}"}, lab.status()["ca"]
    url = lab.url(endpoint) + PREDICT
    return requests.post(url, json=SETOSA, headers=headers, verify=ca, timeout=10, allow_redirects=False)


@pytest.mark.parametrize("endpoint", ["gateway", "gateway_tls"])
@pytest.mark.parametrize("known", [True, False])
def test_every_answer_is_hardened_and_names_no_software(
    lab: Lab, tokens: dict[str, str], endpoint: str, known: bool
) -> None:
    answer = predict(lab, endpoint, tokens["tenant-a"] if known else "")
    assert answer.status_code == (200 if known else 401)
    told = {name.lower(): value for name, value in answer.headers.items()}
    assert HARDENED.items() <= told.items()
    assert [name for name in told if name == "server" or name.startswith("x-envoy")] == []
    # Browsers may be told to come by HTTPS only where they already did.
    assert ("strict-transport-security" in told) == (endpoint == "gateway_tls")


def test_https_only_where_it_is_asked_for(lab: Lab, tokens: dict[str, str]) -> None:
    token = tokens["tenant-a"]
    try:
        lab.kubectl("apply", "-f", str(manifests() / "scenarios/security/https-only.yaml"))
        eventually(lambda: predict(lab, "gateway", token).status_code == 301)
        moved = predict(lab, "gateway", token).headers["location"]
        assert moved == f"https://localhost:8443{PREDICT}"
        eventually(lambda: predict(lab, "gateway_tls", token).headers.get("cache-control") == "no-store")
        assert predict(lab, "gateway_tls", token).status_code == 200
    finally:
        lab.kubectl("apply", "-f", str(manifests() / "gateway"))
        lab.kubectl("delete", "namespace", "https-only")
    eventually(lambda: predict(lab, "gateway", token).status_code == 200)
