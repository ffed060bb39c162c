"""Tier 2 at work: what its proxy would refuse or refuses is set aside and says so, and the rest is served."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import DESTINATION_RULE, VIRTUAL_SERVICE, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.errors import ApiError

from ..envoy import mesh
from .world import World, in_world

POD = Key("istio-system", "ingress")
SPACES = [mesh.namespace(name) for name in ("istio-system", "shop", "rival")]
ANSWER = {"directResponse": {"status": 200}}


async def gateway(w: World) -> None:
    """An ingress gateway whose Pod runs, and the mesh's CA."""
    await w.apply(SPACES)
    ca = pki.issue(pki.Request(10**7, common_name="mesh", is_ca=True, usages=("cert sign",)), None, w.clock.now())
    parts = {"tls.crt": ca.chain, "tls.key": ca.key, "ca.crt": ca.root}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in parts.items()}
    meta = {"name": "cacerts", "namespace": "istio-system"}
    await w.client.create(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": meta, "data": data}
    )
    await w.apply(
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: istio-ingressgateway, namespace: istio-system}}"
    )
    await w.apply(mesh.GATEWAY)
    await w.until(lambda: w.proxy.given.get(POD))


def virtual_service(http: list[Any], name: str, **more: Any) -> Object:
    made = mesh.virtual_service(http, name, hosts=[f"{name}.example.org"], **more)
    del made["metadata"]["creationTimestamp"]
    return made


def domains(w: World) -> set[str]:
    (table,) = w.proxy.given[POD][-1].routes.values()
    return {domain.partition(".")[0] for one in table["virtual_hosts"] for domain in one["domains"]}


def said(w: World, name: str, kind: Any = VIRTUAL_SERVICE, namespace: str = "shop") -> str:
    status = (w.get(kind, name, namespace) or {}).get("status") or {}
    return " ".join(f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in status.get("conditions") or ())


@in_world()
async def test_what_is_good_is_served_and_gets_no_status(w: World) -> None:
    await gateway(w)
    await w.apply([virtual_service([ANSWER], "good")])
    await w.until(lambda: domains(w) == {"good"})
    await w.quiet()
    assert not (w.get(VIRTUAL_SERVICE, "good", "shop") or {}).get("status")


@in_world()
async def test_what_envoy_would_refuse_is_set_aside_without_asking_and_its_cure_frees_it(w: World) -> None:
    await gateway(w)
    bad = {"redirect": {"uri": "/x", "redirectCode": 305}}
    await w.apply([virtual_service([ANSWER], "good"), virtual_service([bad], "bad")])
    await w.until(lambda: "redirectCode 305" in said(w, "bad"))
    assert said(w, "bad").startswith("Reconciled=False SchemaValidationError")
    await w.until(lambda: domains(w) == {"good"})
    await w.apply([virtual_service([ANSWER], "bad")])
    await w.until(lambda: domains(w) == {"good", "bad"} and not said(w, "bad"))


@in_world()
async def test_what_envoy_refuses_all_the_same_is_found_among_many(w: World) -> None:
    await gateway(w)
    names = [f"s{number:02}" for number in range(40)]
    await w.apply([virtual_service([ANSWER], name) for name in names])
    await w.until(lambda: domains(w) == set(names))
    w.proxy.refuses.add("%FOO%")
    headers = {"headers": {"response": {"set": {"x": "%FOO%"}}}}
    culprits = {"s07", "s08", "s31"}
    await w.apply([virtual_service([{**ANSWER, **headers}], name) for name in sorted(culprits)])
    await w.until(lambda: all("Envoy refuses it: refuses %FOO%" in said(w, name) for name in culprits))
    await w.until(lambda: domains(w) == set(names) - culprits)
    assert [name for name in names if said(w, name)] == sorted(culprits)


@in_world()
async def test_a_destination_rule_that_envoy_refuses_costs_only_itself(w: World) -> None:
    await gateway(w)
    w.proxy.refuses.add("'ttl': '77s'")
    await w.apply(mesh.service("web", {}))
    route = {"route": [{"destination": {"host": "web"}}]}
    cookie = {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "c", "ttl": "77s"}}}}
    rule = mesh.destination_rule("web", trafficPolicy=cookie)
    del rule["metadata"]["creationTimestamp"]
    await w.apply([virtual_service([route], "web"), rule])
    await w.until(lambda: "refuses 'ttl'" in said(w, "web", DESTINATION_RULE))
    await w.until(lambda: domains(w) == {"web"})
    assert not said(w, "web")


@in_world()
async def test_a_host_of_another_is_told(w: World) -> None:
    await gateway(w)
    grab = virtual_service([ANSWER], "grab", namespace="rival") | {}
    grab["spec"]["hosts"] = ["iris.shop.example.com", "grab.example.org"]
    await w.apply([grab])
    await w.until(lambda: "belongs to namespace shop" in said(w, "grab", namespace="rival"))
    assert said(w, "grab", namespace="rival").startswith("Reconciled=False HostConflict")
    assert domains(w) == {"grab"}


@in_world()
async def test_a_missing_subset_is_told_until_somebody_defines_it(w: World) -> None:
    await gateway(w)
    await w.apply(mesh.service("web", {}))
    await w.apply([virtual_service([{"route": [{"destination": {"host": "web", "subset": "v2"}}]}], "web")])
    await w.until(lambda: "not found: web.shop.svc.cluster.local+v2" in said(w, "web"))
    rule = mesh.destination_rule("web", subsets=[{"name": "v2", "labels": {"version": "v2"}}])
    del rule["metadata"]["creationTimestamp"]
    await w.apply([rule])
    await w.until(lambda: not said(w, "web"))


@pytest.mark.parametrize(
    ("obj", "code", "message"),
    [
        (
            virtual_service([{"match": [{"uri": {"regex": "[a-"}}], **ANSWER}], "x"),
            400,
            'admission webhook "validation.istio.io" denied the request: configuration is invalid: "uri": error parsing regexp',
        ),
        (
            virtual_service([{**ANSWER, "redirect": {"scheme": "ftp"}}], "x"),
            400,
            "configuration is invalid: 2 errors occurred:\n\t* HTTP route rule cannot contain both direct_response and redirect"
            '\n\t* invalid redirect scheme, must be "http" or "https"\n',
        ),
        (
            virtual_service([{**ANSWER, "timeout": "5"}], "x"),
            422,
            'spec.http[0].timeout: Invalid value: "string": must be a valid duration greater than 1ms',
        ),
        (virtual_service([{**ANSWER, "match": [{"uri": {"exact": "/", "prefix": "/"}}]}], "x"), 422, "oneOf"),
        (
            mesh.destination_rule("web", trafficPolicy={"loadBalancer": {"simple": "RANDOM", "consistentHash": {}}}),
            422,
            "oneOf",
        ),
    ],
)
def test_what_istio_refuses_is_refused_on_its_way_in(tmp_path: Any, obj: Object, code: int, message: str) -> None:
    @in_world()
    async def body(w: World) -> None:
        await w.apply(SPACES)
        with pytest.raises(ApiError) as refused:
            await w.client.create(json.loads(json.dumps(obj)))
        assert refused.value.code == code and message in refused.value.message, refused.value.message

    body(tmp_path)
