"""What is used, by tenant and model: the last hour in figures, the last quarter of an hour as a chart; and the tenants."""

from __future__ import annotations

import time
from collections import Counter

from fastapi import APIRouter, Response

from ..platform import Object
from . import figures
from .charts import chart
from .visit import Admin, Signed

router = APIRouter()


@router.get("/usage")
def usage(visit: Signed, namespace: str = "", model: str = "") -> Response:
    """A namespace and a model choose the chart's one line."""
    spaces = visit.lab.models.namespaces(visit.who)
    uses = figures.used(visit.lab.prometheus, spaces)
    course = figures.course(visit.lab.prometheus, spaces)
    shown = {key: points for key, points in course.items() if not model or key == (namespace, model)}
    names = {key: "/".join(key) if visit.who.is_admin else key[1] for key in shown}
    drawn = chart({names[key]: points for key, points in shown.items()}, "requests/s", time.time(), figures.SPAN)
    most = max((use.requests for use in uses), default=0)
    left = len(shown) - len(drawn.lines) if drawn else 0
    return visit.page("usage.html", uses=uses, most=most, chart=drawn, left=left, model=model)


@router.get("/tenants")
def tenants(visit: Admin) -> Response:
    listed = visit.lab.admin.tenants()["tenants"]
    spaces = [one["name"] for one in listed]
    models = Counter(obj["metadata"]["namespace"] for obj in visit.lab.models.listed(visit.who))
    published = Counter(one.namespace for one in visit.lab.publisher.listed(visit.who))
    asked: Counter[str] = Counter()
    for use in figures.used(visit.lab.prometheus, spaces):
        asked[use.namespace] += use.requests
    known: Object = {"models": models, "published": published, "asked": asked, "most": max(asked.values(), default=0)}
    return visit.page("tenants.html", tenants=listed, **known)
