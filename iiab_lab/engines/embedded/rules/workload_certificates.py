"""A Pod and the mesh's CA → the certificate that its proxy shows, good for a day and renewed at half its life."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from ..envoy import sidecar
from ..envoy.policies import ROOT
from ..envoy.world import spiffe
from ..objects.kinds import Key
from ..objects.meta import Object, annotations_of
from ..objects.pods import standing
from . import pki

CA = Key(ROOT, "cacerts")
# Istio's own name for where workloads find whom to trust; while the mesh's root is rotated, two.
ROOTS, ROOTS_KEY = Key(ROOT, "istio-ca-root-cert"), "root-cert.pem"
# An annotation of a Pod: a value that was not there before brings its proxy a new certificate.
RENEW = "iiab.lab/renew-certificate"
_SECONDS, _BACKDATED = 24 * 3600.0, 120.0  # Istio's defaults for workload certificates
# Every workload answers to this name too, for clients that verify by DNS name and not by SPIFFE: Prometheus.
_COMMON_NAME = "workload.mesh.local"


class Certificate(NamedTuple):
    """`due`: when it is to be renewed, in seconds since the epoch; `asked`: what the Pod's annotation said."""

    identity: sidecar.Identity
    authority: pki.Authority
    due: float
    asked: str


def regarded(pod: Object) -> Hashable:
    """What of a Pod its proxy's configuration hangs on."""
    return standing(pod), annotations_of(pod).get(RENEW)


def roots(authority: pki.Authority, bundle: Object | None) -> str:
    """Whom workloads trust, PEM: those of the bundle, and the CA's own whatever that says."""
    found = ((bundle or {}).get("data") or {}).get(ROOTS_KEY, "")
    return found if authority.root in found else found + authority.root


def current(known: Certificate | None, pod: Object, authority: pki.Authority, trusted: str, now: float) -> Certificate:
    """What is known, or a new one: when it is due, the CA is another, or the Pod's annotation. `trusted`: the roots, PEM."""
    asked = annotations_of(pod).get(RENEW, "")
    if known and known.authority == authority and known.asked == asked and now < known.due:
        return known._replace(identity=known.identity._replace(root=trusted))
    namespace, account = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
    request = pki.Request(
        _SECONDS,
        dns_names=(_COMMON_NAME,),
        uris=(spiffe(namespace, account),),
        usages=("digital signature", "server auth", "client auth"),
        algorithm="ECDSA",
        backdated=_BACKDATED,
    )
    issued = pki.issue(request, authority, now)
    return Certificate(sidecar.Identity(issued.chain, issued.key, trusted), authority, now + _SECONDS / 2, asked)
