"""Lines as the hops wrote them on a running platform → decision, policy, reason, and whose request it was."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.services.audit import proxies
from iiab_lab.services.audit.places import Place
from iiab_lab.services.audit.record import Fact

from .facts import EDGE, ID, INGRESS, PREDICT, ROUTE, line

NAMESPACES = {"tenant-a", "tenant-b", "tenant", "default", "envoy-gateway-system"}
EDGE_POD = Place("tier-1", "envoy-gateway-system", "envoy-1")
TIER_2 = Place("tier-2", "istio-system", "istio-ingressgateway-1")
SIDECAR = Place("sidecar", "tenant-a", "sklearn-iris-1")
ACTIVATOR = Place("activator", "knative-serving", "activator-1")
MANAGEMENT = Place("management", "default", "management-service-1")
PUBLISHED = "httproute/envoy-gateway-system/published-model-tenant-a-sklearn-iris/rule/0/match/0"
BEARER = {"bearer": "tenant-b", "bearer_tenant": "tenant-b"}
ON = "HTTPRoute tenant-a/sklearn-iris"


def judged(place: Place, **said: Any) -> tuple[Any, ...]:
    made = proxies.fact(place, line(**said), NAMESPACES)
    return made.decision, made.policy, made.reason


@pytest.mark.parametrize(
    ("place", "said", "expected"),
    [
        (EDGE_POD, {}, ("allowed", "", "")),
        (EDGE_POD, {"code": 303}, ("allowed", "", "")),
        (
            EDGE_POD,
            {"code": 401, "details": "jwt_authn_access_denied{Jwt_is_missing}"},
            ("denied", f"SecurityPolicy of {ON}, jwt", "token: Jwt is missing"),
        ),
        (
            EDGE_POD,
            {"code": 401, "details": "jwt_authn_access_denied{Jwt_header_is_an_invalid_Base64url_encoded}"},
            ("denied", f"SecurityPolicy of {ON}, jwt", "token: Jwt header is an invalid Base64url encoded"),
        ),
        (
            EDGE_POD,
            {"code": 403, "details": "rbac_access_denied_matched_policy[default]"},
            ("denied", f"SecurityPolicy of {ON}, authorization default", "authorization: no rule allows it"),
        ),
        (
            EDGE_POD,
            {"code": 403, "details": "rbac_access_denied_matched_policy[contradicting-tenant]"},
            (
                "denied",
                f"SecurityPolicy of {ON}, authorization contradicting-tenant",
                "authorization: a rule denies it",
            ),
        ),
        (
            EDGE_POD,
            {"code": 429, "details": "request_rate_limited"},
            ("denied", f"BackendTrafficPolicy of {ON}, rate limit", "rate limit: too many requests"),
        ),
        (
            EDGE_POD,
            {"code": 401, "details": "missing_api_key"},
            ("denied", f"SecurityPolicy of {ON}, api key", "api key: no key"),
        ),
        (EDGE_POD, {"code": 403, "details": "via_upstream"}, ("denied", "", "answered further in")),
        (EDGE_POD, {"code": 404, "details": "route_not_found", "route": None}, ("error", "", "route not found")),
        (EDGE_POD, {"code": 400, "details": "http1.codec_error"}, ("error", "", "http1.codec error")),
        (EDGE_POD, {"code": 431, "details": "http1.headers_too_large"}, ("denied", "", "http1.headers too large")),
        (
            EDGE_POD,
            {"code": 0, "details": "downstream_remote_disconnect"},
            ("error", "", "downstream remote disconnect"),
        ),
        (EDGE_POD, {"code": 0, "details": None}, ("error", "", "no answer")),
        (
            EDGE_POD,
            {"code": 503, "details": "upstream_reset_before_response_started{connection_termination|secret}"},
            ("error", "", "upstream reset before response started"),
        ),
        (
            SIDECAR,
            {"code": 403, "details": "rbac_access_denied_matched_policy[ns[tenant-a]-policy[shut]-rule[2]]"},
            ("denied", "AuthorizationPolicy tenant-a/shut rule 2", "authorization: a rule denies it"),
        ),
        (
            SIDECAR,
            {"code": 403, "details": "rbac_access_denied_matched_policy[none]"},
            ("denied", "AuthorizationPolicy", "authorization: no policy allows it"),
        ),
        (
            SIDECAR,
            {"code": None, "details": "rbac_access_denied_matched_policy[ns[tenant-a]-networkpolicies[allow,deny]]"},
            ("denied", "NetworkPolicy tenant-a/allow, tenant-a/deny", "network policy: none lets it connect"),
        ),
        (SIDECAR, {"code": 400}, ("error", "", "the application's own answer")),
        (ACTIVATOR, {"code": 400}, ("error", "", "answered further in")),
        (MANAGEMENT, {"code": 401, "details": None}, ("denied", "", "no credentials that are good")),
        (MANAGEMENT, {"code": 403, "details": None}, ("denied", "", "not permitted")),
        (MANAGEMENT, {"code": 500, "details": None}, ("error", "", "status 500")),
    ],
)
def test_who_refused_and_why(place: Place, said: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert judged(place, **said) == expected


def who(place: Place, **said: Any) -> tuple[str, str, str]:
    made = proxies.fact(place, line(**said), NAMESPACES)
    return made.actor, made.actor_tenant, made.tenant


@pytest.mark.parametrize(
    ("place", "said", "expected"),
    [
        (EDGE_POD, {}, ("tenant-a", "tenant-a", "tenant-a")),
        (EDGE_POD, {"subject": "tenant-b", "tenant": "tenant-b"}, ("tenant-b", "tenant-b", "tenant-a")),
        (EDGE_POD, {"subject": None, "tenant": None}, ("anonymous", "", "tenant-a")),
        # By key: the edge's own word on the key door of a published model, the sender's everywhere else.
        (
            EDGE_POD,
            {"subject": None, "tenant": None, "client": "default-731c749d", "route": PUBLISHED},
            ("default-731c749d", "", "tenant-a"),
        ),
        (EDGE_POD, {"subject": None, "tenant": None, "client": "faked"}, ("anonymous", "", "tenant-a")),
        # By another tenant's token: the edge's own word on the token door, the sender's everywhere else.
        (
            EDGE_POD,
            {"subject": None, "tenant": None, **BEARER, "route": PUBLISHED.replace("iris/", "iris-jwt/")},
            ("tenant-b", "tenant-b", "tenant-a"),
        ),
        (EDGE_POD, {"subject": None, "tenant": None, **BEARER, "route": PUBLISHED}, ("anonymous", "", "tenant-a")),
        (EDGE_POD, {"subject": None, "tenant": None, **BEARER}, ("anonymous", "", "tenant-a")),
        (
            EDGE_POD,
            {"subject": None, "tenant": None, "client": "faked", "route": PUBLISHED.replace("iris/", "iris-jwt/")},
            ("anonymous", "", "tenant-a"),
        ),
        (
            EDGE_POD,
            {"route": "httproute/envoy-gateway-system/model-tenant-b.iris/rule/0/match/0"},
            ("tenant-a", "tenant-a", "tenant-b"),
        ),
        (EDGE_POD, {"route": None}, ("tenant-a", "tenant-a", "")),
        (
            TIER_2,
            {
                "peer": EDGE,
                "tenant": None,
                "upstream": "outbound|80||iris-00001.tenant-b.svc.cluster.local",
                "route": None,
            },
            (EDGE, "envoy-gateway-system", "tenant-b"),
        ),
        (SIDECAR, {"peer": INGRESS, "tenant": None, "route": None}, (INGRESS, "istio-system", "tenant-a")),
        (SIDECAR, {"peer": None, "tenant": None, "route": None}, ("anonymous", "", "tenant-a")),
        (
            MANAGEMENT,
            {"actor": "tenant-c", "tenant": "tenant-c", "route": None, "upstream": None},
            ("tenant-c", "tenant-c", ""),
        ),
    ],
)
def test_whose_request_it_was_and_of_whom(place: Place, said: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert who(place, **said) == expected


def test_the_place_of_the_log_says_which_hop_it_was_not_the_line() -> None:
    made = proxies.fact(SIDECAR, line(hop="tier-1", route=None), NAMESPACES)
    assert (made.hop, made.pod) == ("sidecar", "tenant-a/sklearn-iris-1")


def test_a_fact_holds_what_an_auditor_asks_for_and_nothing_of_the_query() -> None:
    made = proxies.fact(EDGE_POD, line(path=f"{PREDICT}?token=abc"), NAMESPACES)
    assert made == Fact(
        "2026-11-25T16:20:03.959Z",
        "data",
        "tier-1",
        "envoy-gateway-system/envoy-1",
        "tenant-a",
        "tenant-a",
        "tenant-a",
        "POST",
        "localhost:8080",
        PREDICT,
        "allowed",
        200,
        "",
        "",
        ID,
    )


SECRET = "c2VjcmV0LVRoYXQtbm9ib2R5LU1heS1TZWU5"


@pytest.mark.parametrize(
    "field", ["path", "host", "request_id", "subject", "tenant", "client", "peer", "method", "details", "actor"]
)
@pytest.mark.parametrize("place", [EDGE_POD, SIDECAR, MANAGEMENT])
def test_no_field_of_a_line_carries_a_secret_into_a_record(place: Place, field: str) -> None:
    for route in (ROUTE, PUBLISHED):
        made = proxies.fact(place, line(route=route, code=500) | {field: SECRET}, NAMESPACES)
        assert not any(SECRET in str(value) for value in made)
