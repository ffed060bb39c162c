"""A Pod and the mesh's CA → the certificate that its proxy shows, good for a day and renewed at half its life."""

from __future__ import annotations

from typing import NamedTuple

from ..envoy import sidecar
from ..envoy.policies import ROOT
from ..envoy.world import spiffe
from ..objects.kinds import Key
from ..objects.meta import Object
from . import pki

CA = Key(ROOT, "cacerts")
_SECONDS, _BACKDATED = 24 * 3600.0, 120.0  # Istio's defaults for workload certificates
# Every workload answers to this name too, for clients that verify by DNS name and not by SPIFFE: Prometheus.
_COMMON_NAME = "workload.mesh.local"


class Certificate(NamedTuple):
    """`due`: when it is to be renewed, in seconds since the epoch."""

    identity: sidecar.Identity
    authority: pki.Authority
    due: float


def current(known: Certificate | None, pod: Object, authority: pki.Authority, now: float) -> Certificate:
    """What is known, or a new one: when it is due, or the CA is another."""
    if known and known.authority == authority and now < known.due:
        return known
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
    return Certificate(sidecar.Identity(issued.chain, issued.key, issued.root), authority, now + _SECONDS / 2)
