"""NetworkPolicies at the API: what is filled in, what is warned of, what is refused and how, what `get` shows."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import refusal

FRIEND = {"podSelector": {"matchLabels": {"app": "friend"}}}
EXPRESSION = {"key": "app", "operator": "In", "values": ["a"]}


def post(kube: Kube, space: str, spec: Any, name: str = "p") -> Any:
    body = {"metadata": {"name": name}, "spec": spec}
    return kube.raw("POST", f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies", json=body)


def test_what_is_left_out_is_filled_in(kube: Kube, space: str) -> None:
    assert post(kube, space, {}).json()["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    spec = post(kube, space, {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}, "q").json()["spec"]
    assert spec["ingress"] == [{"ports": [{"port": 80, "protocol": "TCP"}]}] and spec["policyTypes"] == ["Ingress"]


@pytest.mark.parametrize(
    ("spec", "types", "warned"),
    [
        ({"policyTypes": ["Ingress"]}, ["Ingress"], []),
        ({"policyTypes": ["Ingress", "Egress"]}, ["Ingress", "Egress"], ["spec.policyTypes[1]"]),
        ({"egress": [{"to": [FRIEND]}]}, ["Ingress", "Egress"], ["spec.policyTypes[1]", "spec.egress"]),
    ],
)
def test_egress_is_taken_with_a_warning(kube: Kube, space: str, spec: Any, types: list[str], warned: list[str]) -> None:
    answer = post(kube, space, spec)
    assert answer.json()["spec"]["policyTypes"] == types
    said = answer.headers.get("Warning", "")
    assert said.count("has no effect on the embedded engine") == len(warned) and all(path in said for path in warned)


def peers(*listed: Any) -> Any:
    return {"ingress": [{"from": list(listed)}]}


def ports(**port: Any) -> Any:
    return {"ingress": [{"ports": [port]}]}


def selecting(**expression: Any) -> Any:
    return {"podSelector": {"matchExpressions": [EXPRESSION | expression]}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (peers({}), "spec.ingress[0].from[0]: Required value: must specify a peer"),
        (
            peers(FRIEND | {"ipBlock": {"cidr": "10.0.0.0/8"}}),
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            peers({"ipBlock": {"cidr": "10.0.0.0"}}),
            'from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR',
        ),
        (
            peers({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}),
            'ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
        ),
        (peers({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["::1/128"]}}), "must be a strict subset of `cidr`"),
        (ports(port=0), "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        (ports(port="Http"), 'ports[0].port: Invalid value: "Http"'),
        (ports(port="http", endPort=90), "endPort: Invalid value: 90: may not be specified when `port` is non-numeric"),
        (ports(endPort=90), "endPort: Invalid value: 90: may not be specified when `port` is not specified"),
        (ports(port=91, endPort=90), "endPort: Invalid value: 90: must be greater than or equal to `port`"),
        (ports(port=1, protocol="ICMP"), 'protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"'),
        (
            selecting(operator="Is"),
            'podSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector',
        ),
        (selecting(values=[]), "values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
        (selecting(operator="Exists"), "values: Forbidden: may not be specified when `operator` is 'Exists'"),
        (peers(selecting(operator="Is")), "from[0].podSelector.matchExpressions[0].operator: Invalid value"),
        ({"egress": [{"to": [{}]}]}, "spec.egress[0].to[0]: Required value: must specify a peer"),
        ({"policyTypes": ["Inward"]}, 'spec.policyTypes[0]: Unsupported value: "Inward"'),
        ({"policyTypes": ["Ingress", "Egress", "Ingress"]}, "may not specify more than two policyTypes"),
    ],
)
def test_what_is_wrong_is_said_by_field(kube: Kube, space: str, spec: Any, said: str) -> None:
    code, reason, message = refusal(lambda: post(kube, space, spec))
    assert (code, reason) == (422, "Invalid") and said in message, message


def test_get_shows_what_it_chooses(kube: Kube, space: str) -> None:
    post(kube, space, {"podSelector": {"matchLabels": {"app": "web"}, "matchExpressions": [EXPRESSION]}})
    post(kube, space, {}, "everything")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    path = f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies"
    table = kube.raw("GET", path, headers=accept).json()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Pod-Selector", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [["everything", "<none>"], ["p", "app in (a),app=web"]]
    served = kube.raw("GET", "/apis/networking.k8s.io/v1").json()["resources"]
    assert [one["shortNames"] for one in served if one["name"] == "networkpolicies"] == [["netpol"]]
