"""What routes share: who calls, the services, pages of a list, and the answers that any of them may give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from ...audited import known_as
from ..callers import Caller
from ..errors import Refused
from ..services import Services

Item = TypeVar("Item")


class ErrorBody(BaseModel):
    error: str
    details: str = ""


RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorBody, "description": text}
    for code, text in (
        (400, "The request is not valid"),
        (401, "No credentials, or none that are good"),
        (403, "The token is not good, or may not do this"),
        (404, "There is no such thing, or none the caller may see"),
        (409, "Something else is in the way"),
        (413, "The body is too large"),
        (429, "Too many attempts"),
        (502, "The model or the platform refused"),
        (503, "The platform is not ready"),
        (504, "The platform did not answer in time"),
        (507, "The volume of uploaded models is full"),
    )
}


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def caller(request: Request) -> Caller:
    who = services(request).callers.identify(request)
    known_as(request, who.name, who.tenant)
    return who


def admin(request: Request) -> Caller:
    who = caller(request)
    if not who.is_admin:
        raise Refused(403, "Admin access required", "sign in: POST /api/admin/login")
    return who


Lab = Annotated[Services, Depends(services)]
Who = Annotated[Caller, Depends(caller)]
Admin = Annotated[Caller, Depends(admin)]
Namespace = Annotated[str, Query(max_length=63, description="Where to look; an admin's choice, a tenant has its own.")]


class Page(BaseModel):
    limit: Annotated[int, Query(ge=1, le=500)] = 100
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0


Paging = Annotated[Page, Query()]


def page(items: Sequence[Item], wanted: Page) -> list[Item]:
    return list(items[wanted.offset : wanted.offset + wanted.limit])
