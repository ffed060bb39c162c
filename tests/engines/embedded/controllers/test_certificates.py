"""A Certificate's way: request, approval, signature, Secret; asked for again, kept, failed, denied; and a user's own request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.objects.conditions import find
from iiab_lab.engines.embedded.objects.kinds import CERTIFICATE, CERTIFICATE_REQUEST, CONFIG_MAP, SECRET, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.reconcile.certificate_metrics import CertificateMetrics
from iiab_lab.engines.embedded.rules import certificates, pki
from iiab_lab.errors import ApiError
from iiab_lab.kube import documents

from .world import World, condition, in_world

ISSUERS = """
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: self, namespace: here}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: ca, namespace: here}
spec: {ca: {secretName: ca}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: ca, namespace: here}
spec: {secretName: ca, isCA: true, commonName: ca, privateKey: {algorithm: ECDSA}, issuerRef: {name: self}}
"""
WEB = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: here, labels: {team: red}}
spec:
  secretName: web
  dnsNames: [web.example]
  duration: 24h
  usages: [server auth]
  privateKey: {algorithm: ECDSA, rotationPolicy: %s}
  revisionHistoryLimit: %d
  issuerRef: {name: ca, kind: Issuer}
"""


async def served(w: World, policy: str = "Always", kept: int = 1) -> None:
    await w.apply(ISSUERS + "---" + WEB % (policy, kept))
    await issued(w, 1)


async def issued(w: World, revision: int) -> None:
    def through() -> bool:
        web = w.get(CERTIFICATE, "web") or {}
        status = web.get("status") or {}
        done = status.get("revision") == revision and "nextPrivateKeySecretName" not in status
        return done and not find(web, "Issuing") and condition(web, "Ready") == ("True", "Ready")

    await w.until(through, lambda: (w.get(CERTIFICATE, "web"), w.names(CERTIFICATE_REQUEST)))
    await w.quiet()


async def renew(w: World) -> None:
    """What `cmctl renew` writes."""
    web: Any = w.get(CERTIFICATE, "web")
    asked = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": "2027-01-15T08:00:00Z",
    }
    conditions = [*web["status"]["conditions"], asked]
    await w.client.set_status(CERTIFICATE, Key("here", "web"), {**web["status"], "conditions": conditions})


def held(w: World, field: str) -> str:
    return certificates.text(w.get(SECRET, "web"), field)


@in_world()
async def test_a_certificate_asks_and_its_secret_holds_the_answer(w: World) -> None:
    await served(w)
    request: Any = w.get(CERTIFICATE_REQUEST, "web-1")
    meta, secret = request["metadata"], w.get(SECRET, "web") or {}
    assert meta["annotations"] == {
        "cert-manager.io/certificate-name": "web",
        "cert-manager.io/certificate-revision": "1",
        "cert-manager.io/private-key-secret-name": "web-next-key",
    }
    assert meta["labels"] == {"team": "red"} and meta["ownerReferences"][0]["kind"] == "Certificate"
    assert [(c["type"], c["status"], c["reason"]) for c in request["status"]["conditions"]] == [
        ("Approved", "True", "cert-manager.io"),
        ("Ready", "True", "Issued"),
    ]
    assert request["spec"]["duration"] == "24h" and request["spec"]["usages"] == ["server auth"]
    assert secret["data"]["tls.crt"] == request["status"]["certificate"]
    assert secret["metadata"]["annotations"]["cert-manager.io/issuer-name"] == "ca"
    assert not pki.wrong_pair(held(w, "tls.crt"), held(w, "tls.key"))
    assert w.names(SECRET) == ["ca", "web"]


@in_world()
async def test_a_renewal_that_is_asked_for_brings_a_new_key_and_keeps_one_request(w: World) -> None:
    await served(w)
    before = held(w, "tls.crt"), held(w, "tls.key")
    await renew(w)
    await issued(w, 2)
    assert held(w, "tls.crt") != before[0] and held(w, "tls.key") != before[1]
    await w.until(lambda: w.names(CERTIFICATE_REQUEST) == ["ca-1", "web-2"])


@in_world()
async def test_a_key_may_stay_and_history_be_kept(w: World) -> None:
    await served(w, "Never", 2)
    before = held(w, "tls.crt"), held(w, "tls.key")
    await renew(w)
    await issued(w, 2)
    assert held(w, "tls.crt") != before[0] and held(w, "tls.key") == before[1]
    assert w.names(CERTIFICATE_REQUEST) == ["ca-1", "web-1", "web-2"]


@pytest.mark.parametrize("way", ["deleted", "changed", "due"])
def test_what_else_brings_a_new_one(way: str, tmp_path: Any) -> None:
    @in_world()
    async def play(w: World) -> None:
        await served(w)
        if way == "deleted":
            await w.client.delete(SECRET, Key("here", "web"))
        elif way == "changed":
            await w.apply((WEB % ("Always", 1)).replace("web.example", "other.example"))
        else:
            w.clock.advance(16 * 3600)
        await issued(w, 2)

    play(tmp_path)


NAMESPACES = """
{apiVersion: v1, kind: Namespace, metadata: {name: cert-manager}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: monitoring}}
---
apiVersion: v1
kind: Namespace
metadata: {name: tiers, labels: {iiab.lab/ca: "true"}, annotations: {iiab.lab/ca-secret: tier-cacert}}
"""
PREVIOUS = "{apiVersion: v1, kind: ConfigMap, metadata: {name: %s-previous, namespace: cert-manager}, data: {%s: OLD}}"


@in_world()
async def test_bundles_hold_the_root_that_signs_and_while_it_is_rotated_the_one_before(w: World) -> None:
    def bundles() -> list[str]:
        edge, mesh = (w.get(CONFIG_MAP, name, "tiers") for name in ("lab-ca", "istio-ca-root-cert"))
        entries = ((edge or {}).get("data") or {}).get("ca.crt"), ((mesh or {}).get("data") or {}).get("root-cert.pem")
        return [*map(str, entries), certificates.text(w.get(SECRET, "tier-cacert", "tiers"), "ca.crt")]

    await w.apply(NAMESPACES)
    await w.apply(obj for _, obj in documents(manifests() / "platform" / "certificates.yaml"))
    await w.until(lambda: condition(w.get(CERTIFICATE, "cacerts", "istio-system"), "Ready")[0] == "True")
    edge, mesh = (
        certificates.text(w.get(SECRET, name, "cert-manager"), "tls.crt") for name in ("lab-root-ca", "mesh-root-ca")
    )
    await w.until(lambda: bundles() == [edge, mesh, edge], bundles)
    await w.apply(PREVIOUS % ("lab-root-ca", "ca.crt") + "\n---\n" + PREVIOUS % ("mesh-root-ca", "root-cert.pem"))
    await w.until(lambda: bundles() == [edge + "OLD", mesh + "OLD", edge + "OLD"], bundles)
    await w.client.delete(CONFIG_MAP, Key("cert-manager", "lab-root-ca-previous"))
    await w.until(lambda: bundles() == [edge, mesh + "OLD", edge], bundles)


@in_world()
async def test_prometheus_is_told_until_when_each_certificate_is_valid(w: World) -> None:
    await served(w)
    registry = CollectorRegistry()
    registry.register(CertificateMetrics(w.client))
    labels = {"name": "web", "namespace": "here", "issuer_name": "ca", "issuer_kind": "Issuer"}
    labels |= {"issuer_group": "cert-manager.io"}

    def told(what: str, **more: str) -> float | None:
        return registry.get_sample_value(f"certmanager_certificate_{what}", labels | more)

    assert told("expiration_timestamp_seconds") == told("not_after_timestamp_seconds") == w.clock.now() + 86400
    assert told("renewal_timestamp_seconds") == w.clock.now() + 57600
    assert [told("ready_status", condition=one) for one in ("True", "False", "Unknown")] == [1, 0, 0]


@in_world()
async def test_two_certificates_of_one_secret_do_not_undo_each_other(w: World) -> None:
    await served(w)
    await w.apply((WEB % ("Always", 1)).replace("name: web,", "name: rival,"))
    await w.until(lambda: condition(w.get(CERTIFICATE, "rival"), "Ready") == ("False", "IncorrectCertificate"))
    await w.quiet()
    assert (w.get(CERTIFICATE, "web") or {})["status"]["revision"] == 1 and not w.get(CERTIFICATE_REQUEST, "rival-1")


@in_world()
async def test_without_its_issuer_a_request_waits(w: World) -> None:
    await w.apply(WEB % ("Always", 1))
    await w.until(lambda: condition(w.get(CERTIFICATE_REQUEST, "web-1"), "Ready") == ("False", "Pending"))
    assert condition(w.get(CERTIFICATE, "web"), "Issuing") == ("True", "DoesNotExist")
    assert condition(w.get(CERTIFICATE, "web"), "Ready") == ("False", "DoesNotExist")
    await w.apply(ISSUERS)
    await issued(w, 1)


@in_world()
async def test_a_request_that_fails_ends_the_issuance_until_it_is_time_to_try_again(w: World) -> None:
    await served(w)
    await w.apply(
        "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: ca, namespace: here}, spec: {ca: {secretName: none}}}"
    )
    await renew(w)
    await w.until(lambda: condition(w.get(CERTIFICATE_REQUEST, "web-2"), "Ready") == ("False", "Pending"))
    request: Any = w.get(CERTIFICATE_REQUEST, "web-2")
    failed = {
        "type": "Ready",
        "status": "False",
        "reason": "Failed",
        "message": "no",
        "lastTransitionTime": "2027-01-15T08:00:00Z",
    }
    status = {"conditions": [request["status"]["conditions"][0], failed], "failureTime": "2027-01-15T08:00:01Z"}
    await w.client.set_status(CERTIFICATE_REQUEST, Key("here", "web-2"), status)
    await w.until(lambda: condition(w.get(CERTIFICATE, "web"), "Issuing") == ("False", "Failed"))
    told: Object = w.get(CERTIFICATE, "web") or {}
    assert told["status"]["failedIssuanceAttempts"] == 1 and condition(told, "Ready") == ("True", "Ready")
    w.clock.advance(3599)
    await w.quiet()
    assert condition(w.get(CERTIFICATE, "web"), "Issuing") == ("False", "Failed")


@in_world()
async def test_a_user_s_own_request_is_approved_and_signed_and_stays_as_it_is(w: World) -> None:
    await served(w)
    request = pki.Request(60, dns_names=("mine.example",), algorithm="ECDSA")
    key = pki.new_key(request)
    asked = base64.b64encode(pki.csr(request, key).encode()).decode()
    spec = {"request": asked, "issuerRef": {"name": "ca"}, "usages": ["client auth"], "duration": "2h"}
    mine = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "mine", "namespace": "here"},
    }
    await w.client.create(mine | {"spec": spec})
    await w.until(lambda: condition(w.get(CERTIFICATE_REQUEST, "mine"), "Ready") == ("True", "Issued"))
    status: Any = (w.get(CERTIFICATE_REQUEST, "mine") or {})["status"]
    chain = certificates.decoded(status["certificate"])
    pki.describe(chain).verify_directly_issued_by(pki.describe(certificates.text(w.get(SECRET, "ca"), "tls.crt")))
    assert not pki.wrong_pair(chain, key)
    with pytest.raises(ApiError, match="cannot change spec after creation"):
        await w.client.apply(mine | {"spec": spec | {"duration": "3h"}})
    for name, bad in (
        ("rubbish", {"request": base64.b64encode(b"x").decode()}),
        ("unissued", {"issuerRef": {"name": ""}}),
    ):
        with pytest.raises(ApiError) as refused:
            await w.client.create({**mine, "metadata": {"name": name, "namespace": "here"}, "spec": spec | bad})
        assert refused.value.code == 422
