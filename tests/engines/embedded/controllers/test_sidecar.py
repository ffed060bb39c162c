"""The sidecars: what they show, when it is renewed, whom they ask, and what a policy must not say."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.objects.kinds import (
    NETWORK_POLICY,
    PEER_AUTHENTICATION,
    POD,
    REQUEST_AUTHENTICATION,
    SECRET,
    Key,
)
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.rules import certificates, pki
from iiab_lab.engines.embedded.rules.workload_certificates import RENEW
from iiab_lab.errors import ApiError

from .test_edge import ROOT
from .world import World, in_world

MESHED = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: here, labels: {app: web, sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: main, image: "iiab-lab/models:1", ports: [{containerPort: 8080}]}]}
"""


def let_in(w: World) -> set[str]:
    """Whose certificates the sidecar's first port lets connect, as its NetworkPolicies say; nothing where all may."""
    (chain,) = w.proxy.given[Key("here", "web")][-1].listeners["inbound_8080"]["filter_chains"][-1:]
    first = chain["filters"][0]
    if not first["name"].endswith("network.rbac"):
        return set()
    (rule,) = first["typed_config"]["rules"]["policies"].values()
    named = rule["principals"][0].get("not_id", {"or_ids": {"ids": []}})["or_ids"]["ids"]
    return {next(iter(one["authenticated"]["principal_name"].values())) for one in named}


def shown(w: World) -> Object:
    given = w.proxy.given.get(Key("here", "web"))
    return dict(given[-1].secrets["default"]["tls_certificate"]) if given else {}


async def meshed(w: World) -> None:
    """The mesh's CA, and a Pod with a sidecar that has a certificate of it."""
    await w.apply(ROOT)
    ca = pki.issue(pki.Request(10**7, common_name="mesh", is_ca=True, usages=("cert sign",)), None, w.clock.now())
    await w.client.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "cacerts", "namespace": "istio-system"},
            "data": {
                name: base64.b64encode(value.encode()).decode()
                for name, value in (("tls.crt", ca.chain), ("tls.key", ca.key), ("ca.crt", ca.root))
            },
        }
    )
    await w.apply(MESHED)
    await w.until(lambda: shown(w))


@in_world()
async def test_a_sidecar_shows_its_service_account_and_renews_at_half_its_life(w: World) -> None:
    await meshed(w)
    first = shown(w)["certificate_chain"]["inline_string"]
    names = {
        str(n.value)
        for e in pki.describe(first).extensions
        for n in (e.value if "AltName" in e.oid._name or e.oid._name == "subjectAltName" else ())
    }
    assert "spiffe://cluster.local/ns/here/sa/default" in names
    w.clock.advance(11 * 3600)
    await w.quiet()
    assert shown(w)["certificate_chain"]["inline_string"] == first
    w.clock.advance(2 * 3600)
    await w.until(lambda: shown(w)["certificate_chain"]["inline_string"] != first)


@in_world()
async def test_a_certificate_that_is_asked_for_comes_at_once_and_only_then(w: World) -> None:
    await meshed(w)
    first = shown(w)["certificate_chain"]["inline_string"]
    asked = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: here, annotations: {%s: '1'}}}"
    await w.apply(asked % "other")
    await w.quiet()
    assert shown(w)["certificate_chain"]["inline_string"] == first
    await w.apply(asked % RENEW)
    await w.until(lambda: shown(w)["certificate_chain"]["inline_string"] != first)


@in_world()
async def test_while_the_root_is_rotated_a_sidecar_trusts_both_and_shows_what_it_showed(w: World) -> None:
    await meshed(w)
    first, old = shown(w)["certificate_chain"]["inline_string"], held(w, "cacerts", "ca.crt")
    both = "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-ca-root-cert, namespace: istio-system}}"
    await w.apply([yaml.safe_load(both) | {"data": {"root-cert.pem": NEW + old}}])
    await w.until(lambda: trusted(w) == NEW + old)
    assert shown(w)["certificate_chain"]["inline_string"] == first
    await w.apply([yaml.safe_load(both) | {"data": {"root-cert.pem": NEW}}])
    await w.quiet()
    assert trusted(w) == NEW + old, "the root that its own certificate hangs from is never left out"


NEW = pki.issue(pki.Request(10**7, common_name="mesh", is_ca=True, algorithm="ECDSA"), None, 1.8e9).root


def held(w: World, secret: str, field: str) -> str:
    return certificates.text(w.get(SECRET, secret, "istio-system"), field)


def trusted(w: World) -> str:
    chain = published(w).listeners["inbound_8080"]["filter_chains"][0]
    common = chain["transport_socket"]["typed_config"]["common_tls_context"]
    return str(common["validation_context"]["trusted_ca"]["inline_string"])


def published(w: World, name: str = "web") -> Any:
    return w.proxy.given[Key("here", name)][-1]


KEYS = "http://keys.here.svc.cluster.local/keys.json"
ASKING = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: here}}
spec: {{selector: {{matchLabels: {{app: web}}}}, jwtRules: [{{issuer: "https://lab", jwksUri: "{KEYS}"}}]}}
"""
ASKED = """
apiVersion: v1
kind: Service
metadata: {name: keys, namespace: here}
spec: {selector: {app: keys}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: keys, namespace: here, labels: {app: keys, sidecar.istio.io/inject: "true"}}
spec: {containers: [{name: main, image: "iiab-lab/models:1", ports: [{containerPort: 8080}]}]}
"""
PLAIN = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: keys, namespace: here}
spec: {selector: {matchLabels: {app: keys}}, portLevelMtls: {"8080": {mode: DISABLE}}}
"""


@in_world()
async def test_a_sidecar_follows_the_service_that_its_policies_have_it_ask(w: World) -> None:
    await meshed(w)
    await w.apply(ASKING)
    cluster = "outbound|80||keys.here.svc.cluster.local"
    await w.until(lambda: cluster in published(w).clusters)

    def endpoints() -> Any:
        return published(w).clusters[cluster]["load_assignment"]["endpoints"][0]["lb_endpoints"]

    assert endpoints() == []
    await w.apply(ASKED)
    await w.until(endpoints)
    assert "transport_socket" in published(w).clusters[cluster]
    await w.apply(PLAIN)
    await w.until(lambda: "transport_socket" not in published(w).clusters[cluster])
    await w.until(lambda: "transport_socket" not in published(w, "keys").listeners["inbound_8080"]["filter_chains"][0])
    await w.client.delete(PEER_AUTHENTICATION, Key("here", "keys"))
    await w.until(lambda: "transport_socket" in published(w).clusters[cluster])
    await w.client.delete(REQUEST_AUTHENTICATION, Key("here", "tokens"))
    await w.until(lambda: cluster not in published(w).clusters)


CUSTOM = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: here}
spec: {action: CUSTOM, provider: {name: keys}, rules: [{}]}
"""
PROVIDER = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders: [{name: keys, envoyExtAuthzHttp: {service: keys.here.svc.cluster.local, port: 80}}]
"""


FRIENDS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friends, namespace: here}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: friend}}}, {namespaceSelector: {matchLabels: {team: a}}, podSelector: {}}]
"""
FRIEND = """
apiVersion: v1
kind: Pod
metadata: {name: friend, namespace: here, labels: {app: friend}}
spec: {serviceAccountName: friend, containers: [{name: main, image: "iiab-lab/models:1"}]}
"""


@in_world()
async def test_a_sidecar_follows_whom_its_network_policies_choose(w: World) -> None:
    await meshed(w)
    assert let_in(w) == set()
    await w.apply(FRIENDS)
    await w.apply(FRIEND)
    friend, team = "spiffe://cluster.local/ns/here/sa/friend", "spiffe://cluster.local/ns/team/sa/"
    await w.until(lambda: let_in(w) == {friend})
    await w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team, labels: {team: a}}}")
    await w.until(lambda: let_in(w) == {friend, team})
    await w.client.delete(POD, Key("here", "friend"))
    await w.until(lambda: let_in(w) == {team})
    await w.client.delete(NETWORK_POLICY, Key("here", "friends"))
    await w.until(lambda: let_in(w) == set())


@in_world()
async def test_a_custom_policy_closes_until_its_provider_is_known(w: World) -> None:
    await meshed(w)
    await w.apply(CUSTOM)
    await w.until(lambda: "deny-due-to-bad-CUSTOM-action" in repr(published(w).listeners))
    await w.apply(PROVIDER)
    await w.until(lambda: "ext_authz" in repr(published(w).listeners))
    assert "deny-due-to-bad-CUSTOM-action" not in repr(published(w).listeners)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (PLAIN.replace("selector: {matchLabels: {app: keys}}, ", ""), 422, "portLevelMtls requires selector"),
        (PLAIN.replace('"8080"', '"70000"'), 422, "port must be between 1-65535"),
        (PLAIN.replace("app: keys}", "app: 'k*'}"), 422, "wildcard not allowed in label value match"),
        (ASKING.replace(KEYS, "http://169.254.169.254/"), 400, "Services of the platform alone"),
        (ASKING.replace("jwksUri:", "jwks: '{}', jwksUri:"), 422, "only one of jwks or jwksUri can be set"),
        (
            CUSTOM.replace("provider: {name: keys}, ", ""),
            400,
            "invalid policy ask.here: `provider.name` must not be empty",
        ),
        (
            CUSTOM.replace(
                "spec: {",
                "spec: {selector: {}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: x}], ",
            ),
            422,
            "only one of targetRefs or selector can be set",
        ),
        (PROVIDER.replace("keys.here.svc.cluster.local", "127.0.0.1"), 400, "a Service of the platform is needed"),
    ],
)
def test_a_bad_policy_does_not_come_in(text: str, code: int, said: str, tmp_path: Path) -> None:
    @in_world()
    async def play(w: World) -> None:
        with pytest.raises(ApiError) as refused:
            await w.apply(ROOT + "---" + text)
        assert (refused.value.code, said in str(refused.value)) == (code, True), str(refused.value)

    play(tmp_path)
