"""Management and observability through both gateways, and what nobody has claimed falls through to tier 2."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests

from iiab_lab.traffic.resolve import Resolving

from .lab import Lab


def get(lab: Lab, host: str, path: str, token: str = "") -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    where = urlsplit(lab.url("gateway_tls")).netloc.replace("localhost", "127.0.0.1")
    session.mount("https://", Resolving({f"{host}:443": where}))
    session.verify = str(lab.home / "ca.crt")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return session.get(f"https://{host}{path}", headers=headers, timeout=30)


def test_management_answers_through_the_gateway(lab: Lab, tokens: dict[str, str]) -> None:
    host = "management.inference-in-a-box"
    assert get(lab, host, "/health").json()["status"] == "healthy"
    assert get(lab, host, "/api/models").status_code == 401
    assert get(lab, host, "/api/tenant", tokens["tenant-a"]).json()["tenant"] == "tenant-a"
    assert get(lab, host, "/api/admin/system", tokens["tenant-a"]).status_code == 403
    assert get(lab, host, "/api/admin/system", lab.token("admin")).status_code == 200


def test_prometheus_answers_an_admin_alone(lab: Lab, tokens: dict[str, str]) -> None:
    host, path = "prometheus.inference-in-a-box", "/api/v1/query?query=up"
    answer = get(lab, host, path, lab.token("admin"))
    assert answer.status_code == 200 and answer.json()["data"]["result"]
    assert get(lab, host, path, tokens["tenant-a"]).status_code == 401  # of an issuer that speaks for no admin
    assert get(lab, host, path).status_code == get(lab, host, path, "x.y.z").status_code == 401


@pytest.mark.parametrize("host", ["nobody.inference-in-a-box", "sklearn-iris.tenant-a.models.inference-in-a-box"])
def test_what_nobody_claims_is_tier_twos_to_refuse(lab: Lab, host: str) -> None:
    answer = requests.get(lab.url("gateway") + "/anything", headers={"Host": host}, timeout=10)
    assert answer.status_code == 404
    logged = lab.kubectl("logs", "-n", "istio-system", "deploy/istio-ingressgateway", "--tail=50").stdout
    assert f'"host":"{host}"' in logged and '"details":"route_not_found"' in logged


@pytest.mark.parametrize(
    "host",
    [
        "sklearn-iris.tenant-a.example.com",
        "sklearn-iris-predictor.tenant-a.svc.cluster.local",
        "sklearn-iris-predictor.tenant-a.example.com",
    ],
)
def test_no_name_of_a_model_leads_past_its_policy(lab: Lab, host: str) -> None:
    plain = requests.get(lab.url("gateway") + "/v1/models/sklearn-iris", headers={"Host": host}, timeout=10)
    assert plain.status_code in (401, 404)
