"""Random policies and calls: what is worked out from the policies is what a real Envoy decides under our translation of them.

And for the same reason: the policy it names is the one in the proxy's log, and an AUDIT policy leaves its name there.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import yaml

from iiab_lab.engines.embedded.reconcile.ports import Applied
from iiab_lab.mesh_access import Call, Decision, Workload, decide
from iiab_lab.mesh_access.calls import Object

from ..engines.embedded.envoy.guarded import POD_YAML, Guarded, Objects, guarded, jwks, token
from . import policies as made

ROUNDS, CALLS = int(os.environ.get("IIAB_POLICY_ROUNDS", "20")), 15
WEB = Workload("shop", "web", {"app": "web"}, (8080,))
TOKENS = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: shop}}
spec: {{jwtRules: [{{issuer: "{made.ISSUER}", jwks: '{jwks()}'}}]}}
"""


async def answered(envoy: Guarded, call: Call, name: str) -> int:
    headers = {**call.headers, "x-request-id": name}
    if call.claims is not None:
        headers["Authorization"] = f"Bearer {token(**call.claims)}"
    sni = {"sni": call.sni} if call.sni else {}
    return (await envoy.ask(call.identity, call.method, call.path, call.host, headers, **sni)).status


def told(line: dict[str, Any]) -> str:
    """The policy in an access log line of a refusal."""
    return str(line["details"]).removeprefix("rbac_access_denied_matched_policy[").removesuffix("]")


async def play(folder: Path, run: Path) -> None:
    asked: dict[str, tuple[Call, Decision, int, list[Object]]] = {}
    async with guarded(folder, run) as envoy:
        for turn in range(ROUNDS):
            chance = random.Random(turn)
            listed = [made.policy(chance, f"p{index}") for index in range(chance.choice((1, 2, 3, 4)))]
            world = Objects(POD_YAML, TOKENS)
            for one in listed:
                world.add(one)
            assert await envoy.apply(world) == Applied(), yaml.safe_dump_all(listed)
            for index in range(CALLS):
                call, name = made.call(chance), f"{turn}-{index}"
                status = await answered(envoy, call, name)
                asked[name] = (call, decide(listed, (), WEB, call), status, listed)
        for name, (call, decision, status, listed) in asked.items():
            line = await envoy.line(name)
            said = f"round {name}: {call}\n{decision}\n{line}\n{yaml.safe_dump_all(listed)}"
            assert status == (200 if decision.verdict == "allowed" else 403), said
            assert decision.verdict == "allowed" or told(line) == decision.policy, said
            assert (line.get("audit") or "") == next(iter(decision.audited), ""), said
    verdicts = [decision.verdict for _, decision, _, _ in asked.values()]
    shares = [verdicts.count(verdict) / len(verdicts) for verdict in ("allowed", "denied")]
    assert min(shares) > 0.2, shares  # neither is left out


def test_the_policies_alone_tell_what_a_real_envoy_decides(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(tmp_path, Path(run)))
