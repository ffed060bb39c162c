"""Published models: the list with live figures, one with its keys, its documentation; publish, change, unpublish."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import ValidationError

from ..errors import Refused
from ..models import is_ready
from ..published.config import HOSTNAME, Config, RateLimiting
from ..published.documentation import documentation
from ..published.publication import Publication
from . import figures
from .forms import Filled, filled
from .visit import Posted, Signed, Visit

router = APIRouter()
_LIMITS = ("requestsPerMinute", "requestsPerHour", "burstLimit")
_FIELDS = ("publicHostname", "externalPath", "allowedTenants", "overlapSeconds", *_LIMITS)
_LANGUAGES = {"curl": "curl", "python": "Python", "javascript": "JavaScript (Node)", "go": "Go"}


@router.get("/published")
def listed(visit: Signed) -> Response:
    found = visit.lab.publisher.listed(visit.who)
    live = _live(visit, found)
    return visit.page("published.html", rows=[(one, live.get((one.namespace, one.model))) for one in found])


@router.get("/models/{namespace}/{name}/publish")
def asked(namespace: str, name: str, visit: Signed) -> Response:
    ready = is_ready(visit.model(namespace, name))
    known = {"publicHostname": HOSTNAME, "overlapSeconds": "60"}
    return _form(visit, namespace, name, Filled(known | _limits(RateLimiting())), ready=ready)


@router.post("/models/{namespace}/{name}/publish")
def publish(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    given = filled(form, *_FIELDS)
    visit.model(namespace, name)
    try:
        config = Config(tenantId=_tenant(visit, namespace), **_config(given))
        if given.wrong:
            return _form(visit, namespace, name, given, 400)
        publication, value = visit.lab.publisher.publish(visit.who, name, config)
    except (Refused, ValidationError) as error:
        return _form(visit, namespace, name, given.refuse(error), getattr(error, "status", 400))
    return visit.go(
        "published", namespace, name, done=f"{name} is published.", key=value, key_name=publication.keys[0].id
    )


@router.get("/published/{namespace}/{name}")
def one(namespace: str, name: str, visit: Signed) -> Response:
    return shown(visit, publication_of(visit, namespace, name))


@router.get("/published/{namespace}/{name}/documentation")
def documented(namespace: str, name: str, visit: Signed) -> Response:
    publication = publication_of(visit, namespace, name)
    said = documentation(publication, visit.lab.edge.public(True))
    samples = [(language, _LANGUAGES.get(language, language), text) for language, text in said["sdkExamples"].items()]
    return visit.page("documentation.html", one=publication, said=said, samples=samples)


@router.get("/published/{namespace}/{name}/edit")
def edited(namespace: str, name: str, visit: Signed) -> Response:
    config = publication_of(visit, namespace, name).config
    known = {"publicHostname": config.publicHostname, "externalPath": config.externalPath, "overlapSeconds": "60"}
    known |= {"allowedTenants": ", ".join(config.authentication.allowedTenants)}
    return _form(visit, namespace, name, Filled(known | _limits(config.rateLimiting)), published=True)


@router.post("/published/{namespace}/{name}/edit")
def update(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    given = filled(form, *_FIELDS)
    publication_of(visit, namespace, name)
    try:
        change = _config(given)
        if given.wrong:
            return _form(visit, namespace, name, given, 400, published=True)
        visit.lab.publisher.update(visit.who, name, change, namespace)
    except (Refused, ValidationError) as error:
        return _form(visit, namespace, name, given.refuse(error), getattr(error, "status", 400), published=True)
    return visit.go("published", namespace, name, done=f"{name} is changed. The gateway has it.")


@router.get("/published/{namespace}/{name}/unpublish")
def doomed(namespace: str, name: str, visit: Signed) -> Response:
    publication = publication_of(visit, namespace, name)
    why = f"{publication.url} stops answering at once, and all its {len(publication.keys)} keys are gone. The model stays."
    back = f"/ui/published/{namespace}/{name}"
    return visit.page("confirm.html", question=f"Unpublish {name}?", why=why, verb="Unpublish", back=back)


@router.post("/published/{namespace}/{name}/unpublish")
def unpublish(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    publication_of(visit, namespace, name)
    visit.lab.publisher.unpublish(visit.who, name, namespace)
    return visit.go("published", done=f"{name} is unpublished.")


def publication_of(visit: Visit, namespace: str, name: str) -> Publication:
    """Raises 404 for another tenant's, in the words for one that does not exist."""
    found = visit.lab.publisher.find(visit.who, name, namespace)
    if found.namespace != namespace:
        raise Refused(404, "Model is not published", f"Nothing is published as {name} in {namespace}.")
    return found


def shown(visit: Visit, publication: Publication, form: Filled | None = None, status: int = 200) -> Response:
    """`form` is the one for a new key, where it was refused."""
    live = _live(visit, [publication]).get((publication.namespace, publication.model))
    used = {key.id: visit.lab.last_use.of(key.id) for key in publication.keys}
    known = {
        "one": publication,
        "live": live,
        "used": used,
        "url": _url(visit, publication),
        "form": form or Filled({}),
    }
    return visit.page("publication.html", status, **known)


def _url(visit: Visit, publication: Publication) -> str:
    """With the gateway's port, while there is a gateway."""
    try:
        return str(documentation(publication, visit.lab.edge.public(True))["endpointUrl"])
    except Refused:
        return publication.url


def _live(visit: Visit, found: list[Publication]) -> dict[tuple[str, str], figures.Live]:
    """Without Prometheus the pages still serve: the figures alone are missing."""
    try:
        return figures.live(visit.lab.prometheus, found)
    except Refused:
        return {}


def _form(
    visit: Visit,
    namespace: str,
    name: str,
    form: Filled,
    status: int = 200,
    *,
    published: bool = False,
    ready: bool = True,
) -> Response:
    others = sorted(visit.lab.callers.tenants()) if visit.who.is_admin else []
    where = {"namespace": namespace, "name": name, "published": published, "ready": ready, "tenants": others}
    return visit.page("publish_form.html", status, form=form, **where)


def _config(given: Filled) -> dict[str, Any]:
    """Empty is the default: no limit is set to nothing by leaving its field out."""
    limits = {name: number for name in _LIMITS if (number := given.whole(name)) is not None}
    overlap = given.whole("overlapSeconds")
    return {
        "publicHostname": given["publicHostname"] or HOSTNAME,
        "externalPath": given["externalPath"],
        "rateLimiting": limits,
        "authentication": {"allowedTenants": given.words("allowedTenants")},
        **({} if overlap is None else {"overlapSeconds": overlap}),
    }


def _limits(limits: RateLimiting) -> dict[str, str]:
    return {name: str(getattr(limits, name)) for name in _LIMITS}


def _tenant(visit: Visit, namespace: str) -> str:
    return next((tenant for tenant, space in visit.lab.callers.tenants().items() if space == namespace), "")
