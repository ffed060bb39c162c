"""Random NetworkPolicies and callers: what is worked out from the policies is what a real Envoy does under our translation.

And for the same reason: who is cut off gets no answer at all, and the proxy's log names the policies that isolate the Pod.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import yaml

from iiab_lab.engines.embedded.objects.kinds import NAMESPACE, POD
from iiab_lab.engines.embedded.reconcile.ports import Applied
from iiab_lab.mesh_access import Call, Network, Workload, decide
from iiab_lab.mesh_access.calls import Object, identity

from ..engines.embedded.envoy.guarded import POD_YAML, Guarded, Objects, guarded

ROUNDS = int(os.environ.get("IIAB_POLICY_ROUNDS", "25"))
WEB = Workload("shop", "web", {"app": "web"}, (8080,), (("http", 8080),))
ACCOUNTS = (("shop", "web"), ("shop", "friend"), ("shop", "old"), ("tools", "job"), ("tools-2", "job"))
ROLES = {("shop", "friend"): "friend", ("tools", "job"): "friend", ("shop", "old"): "old"}
OTHERS: list[Object] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    for name, labels in (("shop", {"team": "a"}), ("tools", {"team": "b"}), ("tools-2", {}))
] + [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{account}-1", "namespace": namespace, "labels": {"role": role}},
        "spec": {"serviceAccountName": account, "containers": [{"name": "main", "image": "x"}]},
        "status": {"phase": "Succeeded" if role == "old" else "Running"},
    }
    for (namespace, account), role in ROLES.items()
]


def selector(chance: random.Random, key: str, values: tuple[str, ...]) -> Object:
    value = chance.choice(values)
    expressions = [("In", [value]), ("NotIn", [value]), ("Exists", []), ("DoesNotExist", [])]
    operator, listed = chance.choice(expressions)
    expression: Object = {"key": key, "operator": operator} | ({"values": listed} if listed else {})
    return chance.choice(({}, {"matchLabels": {key: value}}, {"matchExpressions": [expression]}))


def peer(chance: random.Random) -> Object:
    if chance.random() < 0.15:
        blocks: tuple[Object, ...] = (
            {"cidr": "127.0.0.0/8"},
            {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]},
            {"cidr": "0.0.0.0/0", "except": ["127.0.0.1/32"]},
            {"cidr": "10.0.0.0/8"},
        )
        return {"ipBlock": chance.choice(blocks)}
    made: Object = {}
    while not made:
        if chance.random() < 0.6:
            made["podSelector"] = selector(chance, "role", ("friend", "old", "nobody"))
        if chance.random() < 0.5:
            made["namespaceSelector"] = selector(chance, "team", ("a", "b", "c"))
    return made


def port(chance: random.Random) -> Object:
    listed: list[Object] = [
        {"port": 8080},
        {"port": "http"},
        {"port": 8000, "endPort": 8080},
        {},
        {"port": 80},
        {"port": "metrics"},
        {"port": 8081, "endPort": 9000},
        {"port": 8080, "protocol": "UDP"},
    ]
    return {"protocol": "TCP", **chance.choice(listed)}


def policy(chance: random.Random, name: str) -> Object:
    rules: list[Object] = []
    for _ in range(chance.choice((0, 1, 1, 2))):
        rule: Object = {}
        if chance.random() < 0.85:
            rule["from"] = [peer(chance) for _ in range(chance.choice((1, 1, 2)))]
        if chance.random() < 0.5:
            rule["ports"] = [port(chance) for _ in range(chance.choice((1, 2)))]
        rules.append(rule)
    spec: Object = {"podSelector": chance.choice(({}, {"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db"}}))}
    spec |= {"policyTypes": chance.choice((["Ingress"], ["Ingress"], ["Ingress"], ["Egress"])), "ingress": rules}
    meta = {"name": name, "namespace": chance.choice(("shop", "shop", "shop", "tools"))}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


async def status(envoy: Guarded, shown: str) -> int:
    """0 for none."""
    try:
        return (await envoy.ask(shown)).status
    except OSError:
        return 0


async def play(folder: Path, run: Path) -> None:
    verdicts: list[str] = []
    refused: list[tuple[str, str]] = []
    async with guarded(folder, run) as envoy:
        for turn in range(ROUNDS):
            chance = random.Random(turn)
            listed = [policy(chance, f"p{index}") for index in range(chance.choice((1, 2, 3)))]
            world = Objects(POD_YAML.replace("8080}", "8080, name: http}"))
            for one in (*OTHERS, *listed):
                world.add(one)
            said = f"round {turn}\n{yaml.safe_dump_all(listed)}"
            assert await envoy.apply(world) == Applied(), said
            network = Network(listed, world.list(POD), world.list(NAMESPACE))
            for shown in ("", *(identity(*one) for one in ACCOUNTS)):
                decision = decide((), (), WEB, Call(shown), network)
                assert await status(envoy, shown) == (200 if decision.verdict == "allowed" else 0), f"{shown} {said}"
                verdicts.append(decision.verdict)
                if decision.verdict == "denied":
                    refused.append((shown, decision.policy))
        await told(envoy, refused)
    shares = [verdicts.count(verdict) / len(verdicts) for verdict in ("allowed", "denied")]
    assert min(shares) > 0.2, shares  # neither is left out


async def told(envoy: Guarded, refused: list[tuple[str, str]]) -> None:
    """Each refusal in the log, in its order: who, and by which policies."""

    def connections() -> list[dict[str, Any]]:
        return [line for line in envoy.lines() if line["method"] == "connect"]

    async with asyncio.timeout(10):
        while len(connections()) < len(refused):
            await asyncio.sleep(0.02)
    for line, (shown, policies) in zip(connections(), refused, strict=True):
        assert (line["peer"] or "") == (f"spiffe://{shown}" if shown else "")
        assert line["details"] == f"rbac_access_denied_matched_policy[{policies}]" and line["path"] == "port 8080"


def test_the_policies_alone_tell_whom_a_real_envoy_cuts_off(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(tmp_path, Path(run)))
