"""Who may call whom: the rows, the columns, the verdicts and their reasons; and a figure of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from iiab_lab.mesh_access import Call, Workload, decide, workloads
from iiab_lab.mesh_access.table import NOBODY, Answer, answered


def pod(namespace: str, app: str, account: str = "default", *, meshed: bool = True, port: int = 8080) -> dict[str, Any]:
    containers = [{"name": "main", "ports": [{"containerPort": port}]}]
    containers += [{"name": "istio-proxy", "ports": [{"containerPort": 15090}]}] if meshed else []
    meta = {"name": f"{app}-1", "namespace": namespace, "labels": {"app": app}}
    return {"metadata": meta, "spec": {"serviceAccountName": account, "containers": containers}}


def policy(action: str, *rules: Any, name: str = "p", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"action": action, "rules": list(rules), **spec},
    }


def peer(mode: str, namespace: str = "istio-system") -> dict[str, Any]:
    return {"metadata": {"name": "default", "namespace": namespace}, "spec": {"mtls": {"mode": mode}}}


PODS = [pod("shop", "web", "web"), pod("shop", "db", "db", port=5432), pod("tools", "job", meshed=False)]
FROM_WEB = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}


def table(*policies: Any, peers: Any = (), **call: Any) -> Answer:
    return answered(PODS, [("edge", "gateway")], policies, peers, Call(**call))


def test_every_account_and_nobody_call_every_workload_of_the_mesh() -> None:
    found = table().frame
    assert list(found.index) == [NOBODY, "edge/gateway", "shop/db", "shop/web", "tools/default"]
    assert list(found.columns) == ["shop/db", "shop/web"]
    assert set(found.to_numpy().ravel()) == {"allowed"}


def test_an_allow_policy_closes_its_workload_to_the_rest() -> None:
    chosen = {"selector": {"matchLabels": {"app": "db"}}}
    told = table(policy("ALLOW", FROM_WEB, **chosen))
    assert told.frame["shop/db"].to_dict() == {
        NOBODY: "denied",
        "edge/gateway": "denied",
        "shop/db": "denied",
        "shop/web": "allowed",
        "tools/default": "denied",
    }
    assert set(told.frame["shop/web"]) == {"allowed"}
    assert told.why("shop/web", "shop/db")[:2] == ("allowed", "ns[shop]-policy[p]-rule[0]")
    assert told.why(NOBODY, "shop/db")[:2] == ("denied", "none")


def test_the_port_is_the_workloads_own() -> None:
    told = table(policy("ALLOW", {"to": [{"operation": {"ports": ["5432"]}}]}))
    assert (set(told.frame["shop/db"]), set(told.frame["shop/web"])) == ({"allowed"}, {"denied"})


def test_strict_refuses_who_shows_no_certificate_and_disable_forgets_who_does() -> None:
    strict = table(peers=[peer("STRICT")])
    assert strict.frame.loc[NOBODY].tolist() == ["denied"] * 2 and "STRICT" in strict.why(NOBODY, "shop/web").reason
    assert set(strict.frame.drop(NOBODY).to_numpy().ravel()) == {"allowed"}
    plain = table(policy("ALLOW", FROM_WEB), peers=[peer("DISABLE")])
    assert set(plain.frame.to_numpy().ravel()) == {"denied"}


WEB = Workload("shop", "web", {"app": "web"}, (8080,))


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [
        ((), "allowed"),
        (("ALLOW",), "allowed"),
        (("AUDIT",), "allowed"),
        (("CUSTOM", "ALLOW"), "asked"),
        (("ALLOW", "DENY"), "denied"),
        (("CUSTOM", "DENY"), "denied"),
    ],
)
def test_the_order_of_actions(actions: tuple[str, ...], verdict: str) -> None:
    found = decide([policy(action, {}, name=action.lower()) for action in actions], (), WEB, Call())
    assert found.verdict == verdict
    assert bool(found.audited) is ("AUDIT" in actions)


def test_no_rules_allow_nobody_and_one_empty_rule_everybody() -> None:
    assert decide([policy("ALLOW")], (), WEB, Call()).verdict == "denied"
    assert decide([policy("ALLOW", {})], (), WEB, Call()).verdict == "allowed"
    assert decide([policy("DENY", {}, namespace="istio-system")], (), WEB, Call()).verdict == "denied"
    assert decide([policy("DENY", {}, namespace="elsewhere")], (), WEB, Call()).verdict == "allowed"


def test_an_ingress_gateway_and_a_native_sidecar_are_workloads_and_twins_count_once() -> None:
    gateway = pod("istio-system", "ingress")
    gateway["spec"]["containers"] = [{"name": "istio-proxy", "ports": [{"containerPort": 8443}]}]
    native = pod("shop", "api", meshed=False)
    native["spec"]["initContainers"] = [{"name": "istio-proxy"}]
    found = workloads([*PODS, PODS[0], gateway, native])
    assert [str(one) for one in found] == ["istio-system/ingress", "shop/api", "shop/db", "shop/web"]
    assert found[0].ports == (8443,)


def test_the_figure_shows_each_verdict_by_colour_and_by_sign() -> None:
    custom = policy("CUSTOM", {"to": [{"operation": {"ports": ["8080"]}}]}, name="ask")
    told = table(policy("ALLOW", FROM_WEB), custom, method="GET", path="/x")
    made = told.figure()
    (cells,) = made.data
    assert {sign for row in cells.text for sign in row} == {"✕", "✓", "?"}
    assert made.layout.title.text == "Who may: GET /x" and list(cells.x) == list(told.frame.columns)


def test_it_needs_no_engine() -> None:
    code = (
        "import sys, iiab_lab.mesh_access; sys.exit(any(name.startswith('iiab_lab.engines') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
