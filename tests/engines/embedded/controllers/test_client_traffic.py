"""A ClientTrafficPolicy on its way: refused by the API, in force at the edge, told by section in its status."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import CLIENT_TRAFFIC_POLICY, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.errors import ApiError

from .test_edge import edge
from .test_gateway import SECOND
from .world import World, condition, in_world


def policy(*sections: str, of: tuple[str, ...] = ("edge",), **spec: Any) -> Object:
    """Of each Gateway, the sections; "" is the whole."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    targets = [target | {"name": name} | ({"sectionName": one} if one else {}) for name in of for one in sections]
    meta = {"name": "clients", "namespace": "here"}
    spec = {"targetRefs": targets, **spec}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "ClientTrafficPolicy",
        "metadata": meta,
        "spec": spec,
    }


def told(w: World) -> dict[str, tuple[str, str]]:
    """gateway, or gateway/section → what Accepted says."""
    ancestors = ((w.get(CLIENT_TRAFFIC_POLICY, "clients") or {}).get("status") or {}).get("ancestors") or ()
    names = [{"name": "", **one["ancestorRef"]} for one in ancestors]
    keys = [ref["name"] + (f"/{ref['sectionName']}" if "sectionName" in ref else "") for ref in names]
    return {key: condition({"status": one}, "Accepted") for key, one in zip(keys, ancestors, strict=True)}


def listener(w: World) -> str:
    (published,) = w.proxy.given.values()
    return repr(published[-1].listeners["here/edge/http"])


@in_world()
async def test_it_is_in_force_and_its_status_follows_its_targets(w: World) -> None:
    await edge(w)
    await w.apply([policy("http", "nowhere", timeout={"http": {"requestReceivedTimeout": "7s"}})])
    yes, no = ("True", "Accepted"), ("False", "TargetNotFound")
    await w.until(lambda: told(w) == {"edge/http": yes, "edge/nowhere": no}, lambda: told(w))
    assert "'request_timeout': '7s'" in listener(w)
    await w.apply([policy("", timeout={"http": {"requestReceivedTimeout": "8s"}})])
    await w.until(lambda: told(w) == {"edge": yes} and "'8s'" in listener(w), lambda: told(w))
    await w.quiet()
    before = w.store.revision
    await w.apply([policy("", timeout={"http": {"requestReceivedTimeout": "8s"}})])
    await w.quiet()
    assert w.store.revision == before
    await w.client.delete(CLIENT_TRAFFIC_POLICY, Key("here", "clients"))
    await w.until(lambda: "request_timeout" not in listener(w))


@in_world()
async def test_each_gateway_has_its_own_entry(w: World) -> None:
    await edge(w)
    await w.apply(SECOND)
    await w.apply([policy("", of=("edge", "second"))])
    await w.until(lambda: set(told(w)) == {"edge", "second"}, lambda: told(w))


@in_world()
async def test_what_does_not_go_together_is_refused(w: World) -> None:
    with pytest.raises(ApiError, match="exactly one of xForwardedFor"):
        await w.client.create(policy("", clientIPDetection={}))
