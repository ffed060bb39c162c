"""What admission lets in, Envoy takes: strange values in every field, and the real Envoy's own judgement on what is left."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from iiab_lab.engines.embedded.envoy import guard, sidecar
from iiab_lab.engines.embedded.objects.kinds import POD
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.errors import ApiError

from .guarded import ISSUER, NAME, POD_YAML, Objects, authority, jwks

ROUNDS, TOGETHER = 12, 60
PIECES = (
    "*",
    "**",
    ".",
    "/",
    "//",
    "{*}",
    "{**}",
    "{",
    "[",
    "]",
    "(",
    "\\",
    "\\Q",
    "|",
    "^",
    "$",
    "+",
    "?",
    "%",
    "%zz",
    ":",
)
MORE = (
    "a",
    "é",
    "\u202e",
    "\x00",
    "\r\n",
    "\x7f",
    " ",
    "a" * 400,
    "-1",
    "80",
    "10.0.0.1",
    "::",
    "/32",
    "0x7f",
    '"',
    "%s",
    "1e3",
)
SOURCE = (
    "principals",
    "requestPrincipals",
    "namespaces",
    "serviceAccounts",
    "trustDomains",
    "ipBlocks",
    "remoteIpBlocks",
)
OPERATION = ("hosts", "ports", "methods", "paths")
KEYS = ("request.headers[{}]", "request.auth.claims[{}]", "request.auth.claims[{}][{}]", "source.ip", "remote.ip", "{}")
KEYS += (
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
)
KEYS += ("request.auth.audiences", "request.auth.presenter", "destination.ip", "destination.port", "connection.sni")


def strange(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES + MORE) for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))))


def fields(chance: random.Random, names: tuple[str, ...]) -> dict[str, Any]:
    name = chance.choice(names)
    name = name if chance.random() < 0.7 else f"not{name[0].upper()}{name[1:]}"
    return {name: [strange(chance) for _ in range(chance.choice((1, 2)))]}


def policy(chance: random.Random, index: int) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    part = chance.choice(("from", "to", "when"))
    if part == "from":
        rule["from"] = [{"source": fields(chance, SOURCE)}]
    elif part == "to":
        rule["to"] = [{"operation": fields(chance, OPERATION)}]
    else:
        key = chance.choice(KEYS)
        rule["when"] = [{"key": key.format(strange(chance), strange(chance)), "values": [strange(chance)]}]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": f"p{index}", "namespace": "shop"},
        "spec": {"action": chance.choice(("ALLOW", "DENY", "AUDIT")), "rules": [rule]},
    }


def tokens(chance: random.Random, index: int) -> dict[str, Any]:
    given = {
        "audiences": [strange(chance)],
        "fromHeaders": [{"name": strange(chance), "prefix": strange(chance)}],
        "fromParams": [strange(chance)],
        "fromCookies": [strange(chance)],
        "outputPayloadToHeader": strange(chance),
        "outputClaimToHeaders": [{"header": "x", "claim": strange(chance)}],
        "spaceDelimitedClaims": [strange(chance)],
        "timeout": strange(chance),
        "jwksUri": f"http://a.b.svc.cluster.local{strange(chance)}",
    }
    chosen = chance.sample(list(given), chance.choice((1, 2)))
    rule = {
        "issuer": ISSUER,
        **({} if "jwksUri" in chosen else {"jwks": jwks()}),
        **{name: given[name] for name in chosen},
    }
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": f"t{index}", "namespace": "shop"},
        "spec": {"jwtRules": [rule]},
    }


def admitted(chance: random.Random) -> tuple[Objects, int]:
    world, count = Objects(POD_YAML), 0
    for index in range(TOGETHER):
        try:
            world.add(chance.choice((policy, policy, tokens))(chance, index))
            count += 1
        except ApiError as error:
            assert error.code in (400, 422)
    return world, count


def test_what_is_let_in_is_taken(tmp_path: Path) -> None:
    request = pki.Request(3600, dns_names=(NAME,), usages=("digital signature",), algorithm="ECDSA")
    issued = pki.issue(request, authority(), time.time())
    identity = sidecar.Identity(issued.chain, issued.key, issued.root)
    ports = {8080: 8080, sidecar.READY_PORT: sidecar.READY_PORT}
    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        proxy, counts = FileProxy(tmp_path, Path(run)), []
        for turn in range(ROUNDS):
            world, count = admitted(random.Random(turn))
            pod = world.list(POD)[0]
            own = sidecar.Pod(pod, ports, {8080: "/run/web"})
            made = sidecar.snapshot(own, identity, guard.of_pod(world, pod, ports, identity.root))
            assert asyncio.run(proxy.check(made)) == "", turn
            counts.append(count)
    assert min(counts) > TOGETHER / 6 and max(counts) < TOGETHER, counts  # some of both
