"""Certificates and CertificateRequests on their way in → or 422, in the words of cert-manager's webhook."""

from __future__ import annotations

from ...objects.conditions import Condition
from ...objects.meta import Object
from ...rules import certificate_validation
from ..structural import invalid
from . import Admit
from .gateway_api import validated

_PREFIX = "cert-manager.io/"
_DECISIONS = ("Approved", "Denied")

certificate = validated(certificate_validation.certificate)
request = validated(certificate_validation.request)


def fixed(admit: Admit) -> Object | None:
    """What a CertificateRequest asks for stays as it is, and so does a decision; both decisions at once are none."""
    obj, old = admit.object, admit.old
    if obj is None:
        return None
    wrong = []
    if old is not None and obj["spec"] != old["spec"]:
        wrong.append(("spec", "Forbidden: cannot change spec after creation"))
    if old is not None and _own(obj) != _own(old):
        wrong.append(("metadata.annotations", "Forbidden: cannot change cert-manager annotation after creation"))
    wrong += [("status.conditions", said) for said in _decided(_decisions(obj), _decisions(old or {}))]
    if wrong:
        raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"].get("name", ""), wrong)
    return obj


def _own(obj: Object) -> dict[str, str]:
    annotations = obj["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name.startswith(_PREFIX)}


def _decisions(obj: Object) -> dict[str, Condition]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return {one["type"]: one for one in conditions if one["type"] in _DECISIONS}


def _decided(now: dict[str, Condition], before: dict[str, Condition]) -> list[str]:
    wrong = [
        f"Forbidden: '{type_}' condition may not be modified once set"
        for type_ in before
        if now.get(type_) != before[type_]
    ]
    wrong += [
        f'Invalid value: "{one["status"]}": "{type_}" condition may only be set to True'
        for type_, one in now.items()
        if one["status"] != "True"
    ]
    return wrong + (["Forbidden: both 'Denied' and 'Approved' conditions cannot coexist"] if len(now) > 1 else [])
