"""Which mode is in force at a port: the narrowest policy that says one, of each scope the oldest."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.envoy import peer_authentication
from iiab_lab.mesh_access import Workload
from iiab_lab.mesh_access.decision import mtls_mode

POD = {"metadata": {"namespace": "shop", "labels": {"app": "web"}}}
WEB = Workload("shop", "web", {"app": "web"}, (8080,))


def peer(
    mode: str | None, namespace: str = "shop", app: str | None = None, age: int = 9, ports: dict[str, str] | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {"mtls": {"mode": mode}} if mode else {}
    if app is not None:
        spec["selector"] = {"matchLabels": {"app": app} if app else {}}
    if ports:
        spec["portLevelMtls"] = {port: {"mode": said} for port, said in ports.items()}
    meta = {"name": f"{mode}-{age}", "namespace": namespace, "creationTimestamp": f"2026-01-0{age}T00:00:00Z"}
    return {"metadata": meta, "spec": spec}


ROOT = peer("STRICT", "istio-system")
CASES = {
    "nothing said": ([], "PERMISSIVE"),
    "the mesh": ([ROOT], "STRICT"),
    "the namespace before the mesh": ([ROOT, peer("PERMISSIVE")], "PERMISSIVE"),
    "the workload before the namespace": ([ROOT, peer("PERMISSIVE"), peer("DISABLE", app="web")], "DISABLE"),
    "the port before the workload": ([peer("DISABLE", app="web", ports={"8080": "STRICT"})], "STRICT"),
    "another port": ([peer("DISABLE", app="web", ports={"9090": "STRICT"})], "DISABLE"),
    "UNSET port inherits": ([ROOT, peer(None, app="web", ports={"8080": "UNSET"})], "STRICT"),
    "UNSET workload inherits": ([ROOT, peer("UNSET", app="web")], "STRICT"),
    "UNSET namespace inherits": ([ROOT, peer("UNSET")], "STRICT"),
    "UNSET mesh is permissive": ([peer("UNSET", "istio-system")], "PERMISSIVE"),
    "nothing in it is UNSET": ([ROOT, peer(None)], "STRICT"),
    "another workload": ([ROOT, peer("DISABLE", app="other")], "STRICT"),
    "another namespace": ([ROOT, peer("DISABLE", "elsewhere")], "STRICT"),
    "a selector in the root selects nothing": ([peer("STRICT", "istio-system", app="web")], "PERMISSIVE"),
    "an empty selector is the whole namespace": ([ROOT, peer("DISABLE", app="")], "DISABLE"),
    "the oldest of the mesh": (
        [peer("DISABLE", "istio-system", age=3), peer("STRICT", "istio-system", age=2)],
        "STRICT",
    ),
    "the oldest of a namespace": ([peer("DISABLE", age=3), peer("STRICT", age=4)], "DISABLE"),
    "the oldest of a workload": ([peer("DISABLE", app="web", age=3), peer("STRICT", app="web", age=2)], "STRICT"),
    "the oldest speaks alone": ([ROOT, peer("UNSET", age=1), peer("DISABLE", age=2)], "STRICT"),
    "its ports too": (
        [peer("STRICT", app="web", age=1), peer(None, app="web", age=2, ports={"8080": "DISABLE"})],
        "STRICT",
    ),
}


@pytest.mark.parametrize(("policies", "mode"), CASES.values(), ids=CASES)
def test_the_narrowest_wins(policies: list[dict[str, Any]], mode: str) -> None:
    assert peer_authentication.mode(policies, POD, 8080) == mode
    assert peer_authentication.mode(reversed(policies), POD, 8080) == mode
    assert mtls_mode(policies, WEB, 8080) == mode
