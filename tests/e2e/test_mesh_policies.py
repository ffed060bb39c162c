"""The mesh's policies on a running platform: a log line that names the policy, keys of a Service, plaintext where it is asked for,
and a table of who may call whom that the doors themselves bear out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from iiab_lab import Target, who_may_call
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.errors import ApiError

from .lab import PREDICT, SETOSA, Lab, eventually
from .test_mesh import EDGE, INGRESS, MODEL, NAMES, TENANT_B, TIER_2, Door, call, cas, edge_ca, issued, mesh_ca
from .test_request import Tokens

__all__ = ["cas", "edge_ca", "mesh_ca"]
SECURITY = "security.istio.io/v1"
ISSUER = "https://identity.inference-in-a-box/tenants/tenant-a"
KEYS = "http://identity.identity.svc.cluster.local/tenants/tenant-a/.well-known/jwks.json"
COLUMNS = {MODEL: "tenant-a/sklearn-iris", TIER_2: "istio-system/istio-ingressgateway"}


@pytest.fixture
def put(target: Target) -> Iterator[Any]:
    """Writes a policy that is gone again after the test."""
    made: list[tuple[str, str, str]] = []

    def one(kind: str, namespace: str, name: str, **spec: Any) -> None:
        body = {"apiVersion": SECURITY, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        target.kube.raw("POST", target.kube.path(SECURITY, kind, namespace), json=body)
        made.append((kind, namespace, name))

    yield one
    for kind, namespace, name in made:
        target.kube.raw("DELETE", target.kube.path(SECURITY, kind, namespace, name))


def predict(target: Target, token: str) -> int:
    body, headers = SETOSA, {"Authorization": f"Bearer {token}"}
    return requests.post(target.gateway_url + PREDICT, json=body, headers=headers, timeout=10).status_code


def answered(target: Target, tokens: Tokens, code: int) -> None:
    """A policy is in force a moment after it is written, and out of it a moment after it is gone."""
    eventually(lambda: predict(target, tokens["tenant-a"]) == code)


def refusal(target: Target, tokens: Tokens, code: int) -> dict[str, Any]:
    """What the model's sidecar says about the first refusal of this kind from now on."""
    before = {line["request_id"] for line in lines(target)}

    def told() -> dict[str, Any]:
        found = [line for line in lines(target) if line["request_id"] not in before and line["code"] == code]
        return found[0] if found else {}

    answered(target, tokens, code)
    found: dict[str, Any] = eventually(told)
    return found


def lines(target: Target) -> list[dict[str, Any]]:
    namespace, selector, _ = MODEL
    pod = target.kube.list("v1", "Pod", namespace, selector)[0]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log"
    text = target.kube.raw("GET", path, params={"container": "istio-proxy", "tailLines": "1000"}).text
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"') and PREDICT in line]


def test_a_claim_is_refused_and_the_log_names_the_policy(tokens: Tokens, target: Target, put: Any) -> None:
    configured = target.kube.get("v1", "ConfigMap", "identity-jwks", "tenant-a") or {}
    put(
        "RequestAuthentication",
        "tenant-a",
        "t-tokens",
        jwtRules=[{"issuer": ISSUER, "jwks": configured["data"]["jwks"]}],
    )
    rule = {"when": [{"key": "request.auth.claims[iss]", "values": [ISSUER]}]}
    put("AuthorizationPolicy", "tenant-a", "t-no-tokens", action="DENY", rules=[rule])
    found = refusal(target, tokens, 403)
    assert found["details"] == "rbac_access_denied_matched_policy[ns[tenant-a]-policy[t-no-tokens]-rule[0]]"


def test_keys_are_fetched_as_the_workload_and_only_where_it_may(tokens: Tokens, target: Target, put: Any) -> None:
    answered(target, tokens, 200)
    put("RequestAuthentication", "tenant-a", "t-fetched", jwtRules=[{"issuer": ISSUER, "jwksUri": KEYS}])
    assert refusal(target, tokens, 401)["details"].startswith("jwt_authn_access_denied{Jwks_remote_fetch_is_failed")
    may = {
        "from": [{"source": {"namespaces": ["tenant-a"]}}],
        "to": [{"operation": {"methods": ["GET"], "paths": ["/tenants/tenant-a/.well-known/jwks.json"]}}],
    }
    put("AuthorizationPolicy", "identity", "t-keys", rules=[may])
    answered(target, tokens, 200)


@pytest.mark.usefixtures("without_network_policies")
def test_where_plaintext_is_asked_for_tier_2_sends_it_and_nobody_has_an_identity(
    tokens: Tokens, target: Target, put: Any
) -> None:
    answered(target, tokens, 200)
    chosen = {"matchLabels": {"serving.kserve.io/inferenceservice": "sklearn-iris"}}
    put("PeerAuthentication", "tenant-a", "t-plain", selector=chosen, portLevelMtls={"8080": {"mode": "DISABLE"}})
    found = refusal(target, tokens, 403)
    assert (found["peer"], found["details"]) == (None, "rbac_access_denied_matched_policy[none]")


def test_a_policy_that_envoy_would_refuse_does_not_come_in(target: Target, put: Any) -> None:
    with pytest.raises(ApiError) as refused:
        put("AuthorizationPolicy", "tenant-a", "t-bad", rules=[{"to": [{"operation": {"paths": ["{*}"]}}]}])
    assert refused.value.code == 400
    assert 'admission webhook "validation.istio.io" denied the request: configuration is invalid' in str(refused.value)


def test_who_may_call_whom_is_what_the_doors_say(
    lab: Lab, tokens: Tokens, target: Target, cas: dict[Door, pki.Authority], tmp_path: Path
) -> None:
    answered(target, tokens, 200)
    told = who_may_call(target, path=PREDICT)
    for door, column in COLUMNS.items():
        for identity in (EDGE, INGRESS, TENANT_B):
            _, _, _, _, namespace, _, account = identity.split("/")
            try:
                code = call(lab, door, NAMES[door], issued(identity, cas[door]), cas[door].root, tmp_path)
            except httpx.RemoteProtocolError:  # cut off by a NetworkPolicy
                code = 403
            expected = "allowed" if code != 403 else "denied"
            assert told.frame.loc[f"{namespace}/{account}", column] == expected, (identity, door, code)
    assert set(told.frame.loc["(no certificate)", list(COLUMNS.values())]) == {"denied"}
    assert told.figure().data
