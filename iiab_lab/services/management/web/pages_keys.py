"""Keys of a published model: one more, a new one in the place of an old one, and revoked; a value is shown once."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import ValidationError

from ..errors import Refused
from ..platform import Object
from ..published.publication import Key, Publication
from ..routes.publishing import NewKey
from .forms import Filled, filled
from .pages_publish import publication_of, shown
from .visit import Posted, Signed, Visit

router = APIRouter(prefix="/published/{namespace}/{name}/keys")
_LIMITS = ("requestsPerMinute", "requestsPerHour")


@router.post("")
def add(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    given = filled(form, "name", "owner", *_LIMITS)
    publication = publication_of(visit, namespace, name)
    numbers = {limit: given.whole(limit) or 0 for limit in _LIMITS}
    try:
        body = NewKey(name=given["name"], owner=given["owner"], **numbers)
        if given.wrong:
            return shown(visit, publication, given, 400)
        limits = {limit: number for limit, number in numbers.items() if number}
        key, value = visit.lab.publisher.add_key(visit.who, name, body.name, body.owner, limits, namespace)
    except (Refused, ValidationError) as error:
        return shown(visit, publication, _named(given.refuse(error)), getattr(error, "status", 400))
    return _back(visit, publication, f"The key {key.id} is added.", key, value)


@router.get("/{key_id}/rotate")
def aging(namespace: str, name: str, key_id: str, visit: Signed) -> Response:
    publication = publication_of(visit, namespace, name)
    known: Object = {"one": publication, "key": _key(publication, key_id), "form": Filled({"overlapSeconds": "300"})}
    return visit.page("rotate.html", **known)


@router.post("/{key_id}/rotate")
def rotate(namespace: str, name: str, key_id: str, visit: Signed, form: Posted) -> Response:
    given = filled(form, "overlapSeconds")
    publication = publication_of(visit, namespace, name)
    old = _key(publication, key_id)
    overlap = given.whole("overlapSeconds") or 0
    try:
        if given.wrong:
            return visit.page("rotate.html", 400, one=publication, key=old, form=given)
        key, value = visit.lab.publisher.rotate(visit.who, name, key_id, overlap, namespace)
    except Refused as refused:
        return visit.page("rotate.html", refused.status, one=publication, key=old, form=given.refuse(refused))
    return _back(visit, publication, f"{old.id} is rotated. The old key opens for {overlap} s more.", key, value)


@router.get("/{key_id}/revoke")
def doomed(namespace: str, name: str, key_id: str, visit: Signed) -> Response:
    key = _key(publication_of(visit, namespace, name), key_id)
    why = "Whoever still uses it is refused from that moment on. It cannot be brought back."
    back = f"/ui/published/{namespace}/{name}"
    return visit.page("confirm.html", question=f"Revoke {key.id}?", why=why, verb="Revoke the key", back=back)


@router.post("/{key_id}/revoke")
def revoke(namespace: str, name: str, key_id: str, visit: Signed, form: Posted) -> Response:
    publication_of(visit, namespace, name)
    key = visit.lab.publisher.revoke(visit.who, name, key_id, namespace)
    return visit.go("published", namespace, name, done=f"The key {key.id} is revoked.")


def _back(visit: Visit, publication: Publication, done: str, key: Key, value: str) -> Response:
    where = ("published", publication.namespace, publication.model)
    return visit.go(*where, done=done, key=value, key_name=key.id)


def _key(publication: Publication, key_id: str) -> Key:
    found = next((key for key in publication.keys if key.id == key_id), None)
    if found is None:
        raise Refused(404, "Key not found", f"{publication.model} has no such key: it may have been revoked already.")
    return found


def _named(given: Filled) -> Filled:
    """A pattern says nothing to a person."""
    if "name" in given.errors:
        given.errors["name"] = "must be 1 to 32 lower-case letters, digits and hyphens, with no hyphen at either end"
    return given
