"""No credential stays in what is kept of a path, a host or a name, wherever somebody put it; names of the platform stay whole."""

from __future__ import annotations

import base64
import random
import secrets
import uuid
from urllib.parse import quote

import jwt
import pytest

from iiab_lab.services.audit.redact import MARK, clean

WHOLE = [
    "",
    "/v1/models/sklearn-iris:predict",
    "/v2/models/sklearn-iris/versions/1/infer",
    "/api/v1/namespaces/tenant-a/pods/sklearn-iris-predictor-00001-deployment-3af4403a04-dqvrs/log",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:controller:deployment-controller",
    "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/envoy-gateway-system/securitypolicies/published-model-tenant-a-sklearn-iris",
    "/.well-known/openid-configuration",
    "sklearn-iris-predictor-00001.tenant-a.svc.cluster.local",
    "spiffe://cluster.local/ns/envoy-gateway-system/sa/envoy-ai-inference-gateway",
    "system:serviceaccount:default:management-service",
    "/openapi/v3/ClusterServingRuntime",
]


@pytest.mark.parametrize("text", WHOLE)
def test_names_of_the_platform_stay(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/a?token=x", "/a"),
        ("/a%3Ftoken=x", "/a"),
        ("/a#x", "/a"),
        ("/a;token=short/b", f"/a;token={MARK}/b"),
        ("/login/password:hunter2/x", f"/login/password:{MARK}/x"),
        ("/Basic%20dTpw/x", f"/Basic%20{MARK}/x"),
        ("http://user:secret@host/x", "http://host/x"),
        ("user:secret@host", "host"),
        ("/eyJh.eyJz.c2ln/x", f"/{MARK}/x"),
        (
            "/registry/tenant-a/abc/0123456789abcdef0123456789abcdef/model.joblib",
            f"/registry/tenant-a/abc/{MARK}/model.joblib",
        ),
    ],
)
def test_what_is_named_or_shaped_like_a_secret_goes(text: str, kept: str) -> None:
    assert clean(text) == kept


def keys(seed: int) -> list[str]:
    """One of each kind that the platform, or a client of it, hands out."""
    chance = random.Random(seed)
    raw = chance.randbytes(32)
    token = jwt.encode({"sub": "x", "n": chance.random()}, raw.hex(), "HS256")
    return [
        token,
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        raw.hex().upper(),
        secrets.token_urlsafe(15),
        "sk-" + base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b32encode(raw).decode().rstrip("="),
        str(uuid.UUID(bytes=raw[:16])),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_no_key_is_kept_wherever_it_stands(seed: int) -> None:
    for key in keys(seed):
        for place in (
            f"/v1/{key}",
            f"/{key}/x",
            f"/a;k={key}",
            f"{key}@host",
            f"/x?k={key}",
            f"/{quote(key, safe='')}/y",
            key,
        ):
            kept = clean(place)
            parts = [part for part in key.replace("/", " ").replace("+", " ").split() if len(part) >= 12]
            assert not any(part in kept for part in [key, *parts]), (key, kept)


def test_a_long_path_is_cut() -> None:
    assert len(clean("/a" * 10000)) == 513
