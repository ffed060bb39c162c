"""A model's file from the browser → a version in the registry, and the model that serves it; versions deleted."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from ..errors import Refused
from ..models import FRAMEWORKS
from ..registry.multipart import receive
from ..routes.uploads import delete as delete_version
from .csrf import FIELD, require_same_origin
from .forms import Filled, filled
from .visit import Posted, Signed, Visit

router = APIRouter()
_FIELDS = ("name", "namespace", "framework")


@router.get("/models/upload")
def asked(visit: Signed, name: str = "", namespace: str = "") -> Response:
    return _form(visit, Filled({"name": name, "namespace": namespace, "framework": ""}))


@router.post("/models/upload")
async def upload(visit: Signed, request: Request) -> Response:
    """The token stands in the body, before the file; where it is wrong, what arrived is thrown away."""
    require_same_origin(request)
    registry, given = visit.lab.registry, Filled(dict.fromkeys(_FIELDS, ""))
    try:
        with registry.incoming() as incoming:
            fields = await receive(request, incoming, registry.limits.upload)
            visit.site.csrf.require(visit.session.id, fields.get(FIELD))
            given = filled(fields, *_FIELDS)
            to = await run_in_threadpool(registry.destination, visit.who, given["name"], given["namespace"])
            made = await run_in_threadpool(registry.publish, visit.who, to, incoming, given["framework"], "")
    except Refused as refused:
        return await run_in_threadpool(_form, visit, given.refuse(refused), refused.status)
    done = f"Version {made['version']} of {to.model} is uploaded. It serves in seconds."
    return visit.go("models", to.namespace, to.model, done=done)


@router.get("/models/{namespace}/{name}/versions/{version}/delete")
def doomed(namespace: str, name: str, version: int, visit: Signed) -> Response:
    visit.model(namespace, name)
    why, back = "Its file is gone from the registry. It cannot be brought back.", f"/ui/models/{namespace}/{name}"
    question = f"Delete version {version} of {name}?"
    return visit.page("confirm.html", question=question, why=why, verb="Delete the version", back=back)


@router.post("/models/{namespace}/{name}/versions/{version}/delete")
def delete(namespace: str, name: str, version: int, visit: Signed, form: Posted) -> Response:
    visit.model(namespace, name)
    delete_version(name, version, visit.who, visit.lab, namespace)
    return visit.go("models", namespace, name, done=f"Version {version} is deleted.")


def _form(visit: Visit, form: Filled, status: int = 200) -> Response:
    served = set(visit.lab.models.formats())
    known = {"frameworks": [one for one in FRAMEWORKS if one in served], "most": visit.lab.registry.limits.upload >> 20}
    closed = visit.lab.registry.confinement == "none" and not visit.who.is_admin
    spaces = visit.lab.models.namespaces(visit.who)
    return visit.page("upload.html", status, form=form, closed=closed, namespaces=spaces, **known)
