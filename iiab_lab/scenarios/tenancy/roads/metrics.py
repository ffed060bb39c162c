"""By metrics: what Prometheus knows of another tenant, asked at its own door."""

from __future__ import annotations

from ...security.attack import EDGE, Ask, Send
from ...security.stage import ADMIN
from ..row import Of, Row

ROAD = "metrics"
_HOST = "prometheus.inference-in-a-box"


def _everybody(actor: str, owner: str) -> Send:
    """What is everybody's is the admin's."""
    query = "/api/v1/query?query=up%7Bnamespace%3D%22<owner>%22%7D"
    return Of(owner, Ask(query, "GET", ADMIN if actor == owner else actor, host=_HOST))


ROWS = (Row(ROAD, "everybody's Prometheus", _everybody, (EDGE,), ("401", "403")),)
