"""By what is watched: another tenant's series in Prometheus, at one's own view of it and at everybody's; its logs; its trail."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from ...security.attack import EDGE, MANAGEMENT, METRICS, Ask, Send
from ...security.stage import ADMIN
from ..row import NOTHING, SEEN, Of, Row, Seen

_ALL, _VIEW = "prometheus.inference-in-a-box", "metrics.inference-in-a-box"
_ONE = '{namespace="<owner>"}'
# Each is answered, of one's own series; whose namespace stands in the answer tells whose they are.
_CALLS = {
    "series by their namespace": f"query?query=count by (namespace) ({_ONE})",
    "series by any namespace": 'query?query=count by (namespace) ({namespace=~".+"})',
    "series of either": f'query?query={{namespace="none"}} or count by (namespace) ({_ONE})',
    "series of the last minute": f"query?query=count by (namespace) (last_over_time({_ONE}[1m]))",
    "the values of a label": "label/namespace/values?",
    "a listing of series": f"series?match[]=up{_ONE}",  # all of a tenant's may be more than is listed
}


def _everybody(actor: str, owner: str) -> Send:
    """What is everybody's is the admin's."""
    query = f"/api/v1/query?query={quote('up' + _ONE, '<>')}"
    return Of(owner, Ask(query, "GET", ADMIN if actor == owner else actor, host=_ALL))


def _viewed(call: str, actor: str, owner: str) -> Send:
    path = "/api/v1/" + quote(call, "<>/?=&")
    return Seen('"<owner>"', Of(owner, Ask(path, "GET", actor, host=_VIEW)))


def _told(path: str, text: str, actor: str, owner: str) -> Send:
    return Seen(text, Of(owner, Ask(path, "GET", actor, door="management")))


def _row(road: str, what: str, layer: str, send: partial[Send]) -> Row:
    return Row(road, what, send, (layer,), (NOTHING,), passes=(SEEN,))


ROWS = (
    Row("metrics", "everybody's Prometheus", _everybody, (EDGE,), ("401", "403")),
    *(_row("metrics", what, METRICS, partial(_viewed, call)) for what, call in _CALLS.items()),
    _row("logs", "all of a tenant's logs", MANAGEMENT, partial(_told, "/api/logs?namespace=<owner>&lines=20", "<pod>")),
    _row("audit", "a tenant's trail", MANAGEMENT, partial(_told, "/api/audit?limit=1000", '"actor_tenant":"<owner>"')),
)  # fmt: skip
