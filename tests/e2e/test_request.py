"""The request of the README, and every way it may be refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from .lab import PREDICT, SETOSA, Lab

Tokens = dict[str, str]


def predict(lab: Lab, token: str = "", **headers: str) -> requests.Response:
    auth = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(lab.url("gateway") + PREDICT, json=SETOSA, headers=auth | headers, timeout=10)


def curl(*words: str) -> tuple[int, str]:
    tool = shutil.which("curl")
    assert tool, "the README's request needs curl"
    done = subprocess.run([tool, "-sS", "-w", "\n%{http_code}", *words], capture_output=True, text=True, timeout=20)
    body, _, code = done.stdout.rpartition("\n")
    return int(code or 0), body + done.stderr


@pytest.mark.parametrize("endpoint", ["gateway", "gateway_tls"])
def test_the_readme_request_predicts_setosa(lab: Lab, tokens: Tokens, endpoint: str) -> None:
    status = lab.status()
    code, body = curl(
        "--cacert",
        status["ca"],
        "-H",
        f"Authorization: Bearer {tokens['tenant-a']}",
        "-H",
        "x-tenant: tenant-a",
        "-H",
        "x-ai-eg-model: sklearn-iris",
        status["endpoints"][endpoint] + PREDICT,
        "-d",
        '{"instances": [[5.1, 3.5, 1.4, 0.2]]}',
    )
    assert (code, json.loads(body)) == (200, {"predictions": [0]})


def test_https_is_verified_by_the_platforms_ca_alone(lab: Lab, tokens: Tokens) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.post(lab.url("gateway_tls") + PREDICT, json=SETOSA, timeout=10)


def test_without_a_token_401(lab: Lab) -> None:
    assert predict(lab).status_code == 401


def test_garbage_401(lab: Lab) -> None:
    assert predict(lab, "garbage").status_code == 401


def test_a_foreign_key_401_even_under_our_key_id(lab: Lab, tokens: Tokens) -> None:
    genuine = tokens["tenant-a"]
    claims = jwt.decode(genuine, options={"verify_signature": False})
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(claims, foreign, "RS256", headers={"kid": jwt.get_unverified_header(genuine)["kid"]})
    assert predict(lab, genuine).status_code == 200  # the control
    assert predict(lab, forged).status_code == 401


def test_an_expired_token_401(lab: Lab) -> None:
    """Signed by the platform's own key, so that only the time is wrong."""
    secret = json.loads(lab.kubectl("get", "secret", "identity-signing-keys", "-n", "identity", "-o", "json").stdout)
    claims = jwt.decode(lab.token("tenant-a"), options={"verify_signature": False})
    keys = {kid: key for kid, key in signing_keys(secret).items() if kid.startswith("tenant-a.")}
    now = int(time.time())
    fresh, stale = (
        jwt.encode(
            claims | {"iat": now - 7200, "nbf": now - 7200, "exp": now + left}, key, "RS256", headers={"kid": kid}
        )
        for kid, key in keys.items()
        for left in (600, -600)
    )
    assert predict(lab, fresh).status_code == 200  # the control
    assert predict(lab, stale).status_code == 401


def signing_keys(secret: dict) -> dict[str, str]:
    import base64

    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pems = {
        name: base64.b64decode(value)
        for name, value in secret["data"].items()
        if b"PRIVATE KEY" in base64.b64decode(value)
    }
    assert pems, f"no private key among {list(secret['data'])}"
    return {name.removesuffix(".pem"): load_pem_private_key(pem, None) for name, pem in pems.items()}  # type: ignore[misc]


def test_another_tenants_token_is_of_an_issuer_that_is_nobody_here_401(lab: Lab, tokens: Tokens) -> None:
    assert predict(lab, tokens["tenant-b"]).status_code == 401


def test_a_contradicting_x_tenant_403(lab: Lab, tokens: Tokens) -> None:
    assert predict(lab, tokens["tenant-a"], **{"x-tenant": "tenant-b"}).status_code == 403
    assert predict(lab, tokens["tenant-b"], **{"x-tenant": "tenant-a"}).status_code == 401


def test_a_spoofed_claim_header_is_ignored(lab: Lab, tokens: Tokens) -> None:
    assert predict(lab, tokens["tenant-b"], **{"x-jwt-tenant": "tenant-a"}).status_code == 401


def test_an_unknown_model_404(lab: Lab, tokens: Tokens) -> None:
    url = lab.url("gateway") + "/v1/models/no-such-model:predict"
    answer = requests.post(url, json=SETOSA, headers={"Authorization": f"Bearer {tokens['tenant-a']}"}, timeout=10)
    assert answer.status_code == 404


@pytest.mark.parametrize("body", ["{", "[]", '{"instances": "x"}', '{"instances": [[1]]}'])
def test_a_malformed_body_400(lab: Lab, tokens: Tokens, body: str) -> None:
    answer = requests.post(
        lab.url("gateway") + PREDICT, data=body, headers={"Authorization": f"Bearer {tokens['tenant-a']}"}, timeout=10
    )
    assert answer.status_code == 400, answer.text


def test_one_request_id_on_every_hop(lab: Lab, tokens: Tokens) -> None:
    answer = predict(lab, tokens["tenant-a"])
    request_id = answer.headers["x-request-id"]
    hops = {
        "tier 1": ("envoy-gateway-system", "gateway.envoyproxy.io/owning-gateway-name=ai-inference-gateway", "envoy"),
        "tier 2": ("istio-system", "istio=ingressgateway", "istio-proxy"),
        "sidecar": ("tenant-a", "serving.kserve.io/inferenceservice=sklearn-iris", "istio-proxy"),
    }
    for hop, (namespace, selector, container) in hops.items():
        pod = lab.kubectl("get", "pod", "-n", namespace, "-l", selector, "-o", "name").stdout.split("/")[1].strip()
        lines = lab.kubectl("logs", pod, "-n", namespace, "-c", container).stdout.splitlines()
        mine = [json.loads(line) for line in lines if request_id in line]
        assert len(mine) == 1, f"{hop}: {len(mine)} lines carry {request_id}"
