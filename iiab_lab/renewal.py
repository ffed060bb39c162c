"""Certificates → new ones at once: a Certificate's as `cmctl renew` asks for it, a workload's by an annotation of its Pod; CAs by phases."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import ApiError, NotReady, UsageError
from .kube import Kube, Object
from .target import Target

CERTIFICATES = "cert-manager.io/v1", "Certificate"
_POD = "pod/"
# What the mesh's controller of this engine looks for; Istio itself has no such thing.
_ANNOTATION = "iiab.lab/renew-certificate"
_LOOK = 0.02


class Renewed(NamedTuple):
    """`revision` counts how often it was issued, 0 for a workload's; `not_after` is RFC 3339."""

    namespace: str
    name: str
    revision: int
    not_after: str
    seconds: float


def renew(target: Target, name: str = "", namespace: str = "", timeout: float = 60) -> list[Renewed]:
    """A Certificate by its name, a workload's as `pod/NAME`; without a name, every Certificate (of the namespace, or of all).

    Returns when what is new is there; `seconds` is how long that took. A CA is left to `rotate_ca`. Raises UsageError for what
    there is not, NotReady where the issuer refuses or does not come round.
    """
    if name.startswith(_POD):
        return [_renew_workload(target, name.removeprefix(_POD), namespace or "default", timeout)]
    name = name.removeprefix("certificate/")
    if name:
        return [renewed(target.kube, name, namespace or "default", timeout, ca=False)]
    found = [one for one in target.kube.list(*CERTIFICATES, namespace) if not one["spec"].get("isCA")]
    if not found:
        raise UsageError(f"There is no Certificate in {namespace}.", "list them: iiab kubectl get certificates -A")
    return [renewed(target.kube, one["metadata"]["name"], one["metadata"]["namespace"], timeout) for one in found]


def rotate_ca(
    target: Target, which: str, keep_old: bool = False, progress: Callable[[str, str], None] = lambda *_: None
) -> dict[str, float]:
    """Another root for the `edge` or the `mesh`, both trusted meanwhile → the seconds of each phase.

    `keep_old` ends while both still are; called again without it, it forgets the old one.
    """
    if target.home is None:
        raise UsageError(
            "Only the embedded platform's CAs are rotated so.",
            "on a cluster: renew the CA's Certificate while trust-manager distributes both roots",
        )
    from .engines.embedded.ca_rotation import rotate

    return rotate(target.home, which, progress, keep_old)


def renewed(kube: Kube, name: str, namespace: str, timeout: float, ca: bool = True) -> Renewed:
    """Of one Certificate; `ca`: even where others trust what it signed."""
    began, where = time.monotonic(), f"{namespace}/{name}"
    before = kube.get(*CERTIFICATES, name, namespace)
    if before is None:
        raise UsageError(f"There is no Certificate {where}.", "list them: iiab kubectl get certificates -A")
    if before["spec"].get("isCA") and not ca:
        raise UsageError(
            f"The Certificate {where} is a CA: what it signed would be trusted no more.", "iiab rotate-ca edge, or mesh"
        )
    status: Object = {}
    revision = (before.get("status") or {}).get("revision", 0)
    while status.get("revision", 0) <= revision:  # the controller writes the status, too: the last one wins
        _ask(kube, name, namespace)
        left = timeout + began - time.monotonic()
        status = kube.wait((*CERTIFICATES, namespace, name), _is_over, what="renewed", timeout=left)["status"]
    return Renewed(namespace, name, status["revision"], status["notAfter"], time.monotonic() - began)


def _is_over(certificate: Object) -> bool:
    """Nobody works on it; raises NotReady where it was refused."""
    meta, status = certificate["metadata"], certificate.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    issuing, ready = conditions.get("Issuing") or {}, conditions.get("Ready") or {}
    if issuing.get("status") == "False":
        raise NotReady(
            f"The Certificate {meta['namespace']}/{meta['name']} was not issued: {issuing.get('message', '')}",
            f"iiab kubectl describe certificaterequests -n {meta['namespace']}",
        )
    return not issuing and ready.get("status") == "True"


def _ask(kube: Kube, name: str, namespace: str) -> None:
    """The condition that cert-manager waits for, written through the status; again where somebody else was just writing."""
    path = kube.path(*CERTIFICATES, namespace, name)
    while True:
        certificate: Object = kube.raw("GET", path).json()
        status = certificate.setdefault("status", {})
        asked = {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "observedGeneration": certificate["metadata"].get("generation", 1),
            "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        others = [one for one in status.get("conditions") or () if one["type"] != "Issuing"]
        status["conditions"] = [*others, asked]
        try:
            kube.raw("PUT", f"{path}/status", json=certificate)
            return
        except ApiError as error:
            if error.code != 409:
                raise


def _renew_workload(target: Target, name: str, namespace: str, timeout: float) -> Renewed:
    began, kube = time.monotonic(), target.kube
    if kube.get("v1", "Pod", name, namespace) is None:
        raise UsageError(f"There is no Pod {namespace}/{name}.", f"list them: iiab kubectl get pods -n {namespace}")
    if target.home is None:
        raise UsageError(
            "Istio renews a workload's certificate with its Pod.", f"kubectl delete pod {name} -n {namespace}"
        )
    shown = _shown(target, name, namespace)
    if not (before := shown()):
        raise UsageError(f"The Pod {namespace}/{name} is not in the mesh.", "name one with an istio-proxy")
    annotations = {"metadata": {"annotations": {_ANNOTATION: str(time.time_ns())}}}
    kube.merge("v1", "Pod", name, namespace, annotations)
    while (after := shown()) in ("", before):
        if time.monotonic() - began > timeout:
            raise NotReady(f"The proxy of {namespace}/{name} shows its old certificate.", "look at: iiab status")
        time.sleep(_LOOK)
    return Renewed(namespace, f"{_POD}{name}", 0, _ends(after), time.monotonic() - began)


def _shown(target: Target, name: str, namespace: str) -> Callable[[], str]:
    """What the Pod's Envoy shows now, by its own word; PEM, "" for nothing."""
    from .engines.embedded import in_force
    from .engines.embedded.envoy.world import IDENTITY
    from .engines.embedded.objects.kinds import Key

    def ask() -> str:
        found = in_force.of_pod(target.home, Key(namespace, name)) if target.home else None
        return found.shown.get(IDENTITY, "") if found else ""

    return ask


def _ends(chain: str) -> str:
    from cryptography import x509

    held: Any = x509.load_pem_x509_certificate(chain.encode())
    return str(held.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"))
