"""SecurityPolicies that cannot be translated: their condition says why, and their routes are closed."""

from __future__ import annotations

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from . import gateway
from .edge_policy import SERVICE, A, B, allow, jwt, policy, provider, verdict
from .gateway import route, to


def spec_of(provider_: Object) -> Object:
    return {"jwt": jwt(provider_)}


REFUSED = [
    ({"extAuth": {"http": {"backendRefs": SERVICE}}}, "ExtAuth: service shop/authorizer not found."),
    (
        {"extAuth": {"grpc": {"backendRefs": [{"name": "v1", "port": 81}]}}},
        "ExtAuth: TCP Port 81 not found on Service shop/v1.",
    ),
    (
        {"jwt": jwt(provider(A), provider(B, name="a"))},
        "JWT: provider name a must be unique.",
    ),
    (
        spec_of({"name": "a", "localJWKS": {"type": "Inline", "inline": '{"keys": []}'}}),
        "JWT: provider a: jwks parse error: none of its keys can verify a token → an RSA, EC or Ed25519 key, in public.",
    ),
    (
        spec_of({"name": "a", "localJWKS": {"type": "ValueRef", "valueRef": {"group": "", "kind": "ConfigMap", "name": "k"}}}),
        "JWT: local JWKS ConfigMap shop/k not found.",
    ),
    ({"authorization": allow(principal={"clientCIDRs": ["1.2.3.4/64"]})}, "Authorization: unable to translate authorization rule: "),
    *(
        (spec_of({"name": "a", "remoteJWKS": {"uri": uri}}), f"JWT: remoteJWKS {uri}: keys are fetched from Services of ")
        for uri in ("http://127.0.0.1/x", "https://keys.shop.svc.cluster.local/x", "http://169.254.169.254/", "file:///etc")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_translated_closes_its_routes_and_says_why(spec: Object, said: str) -> None:
    made = gateway.translate(*gateway.services("v1"), route([{"backendRefs": to("v1")}]), policy(**spec))
    holds, reason, message = verdict(made)
    assert (holds, reason) == (False, "Invalid") and message.startswith(said)
    ((only,),) = gateway.table(made).values()
    assert only["direct_response"] == {"status": 500} and "route" not in only
