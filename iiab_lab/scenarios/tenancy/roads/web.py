"""By the web interface: pages and forms of another tenant's model, in a session of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from ...security.attack import MANAGEMENT, Ask, Outcome
from ..estate import Estate
from ..row import Attempt, Of, Row

ROAD = "web"
_MODEL, _PUBLISHED = "/ui/models/<owner>/<victim>", "/ui/published/<owner>/<victim>"
_PAGES = (
    *(_MODEL, f"{_MODEL}/edit", f"{_MODEL}/delete", f"{_MODEL}/publish", f"{_MODEL}/versions/1/delete"),
    *(_PUBLISHED, f"{_PUBLISHED}/documentation", f"{_PUBLISHED}/edit", f"{_PUBLISHED}/unpublish"),
)
_FORMS = {
    f"{_MODEL}/edit": {"framework": "sklearn", "minReplicas": "0"},
    f"{_MODEL}/delete": {},
    f"{_PUBLISHED}/unpublish": {},
}
_PREDICT = f"{_MODEL}/predict"


@dataclass(frozen=True)
class Opened(Attempt):
    """A page; with a form, that form sent, in the session and with the token of whoever sends it."""

    path: str
    form: tuple[tuple[str, str], ...] | None
    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        visit, host = estate.visit(self.actor), estate.web_host
        headers = [("cookie", f"session={visit.session}"), ("origin", f"http://{host}")]
        if self.form is None:
            return self._sent(estate, Ask(self.path, "GET", "", tuple(headers), "", "management", host))
        headers.append(("content-type", "application/x-www-form-urlencoded"))
        body = urlencode([*self.form, ("csrf", visit.csrf)])
        return self._sent(estate, Ask(self.path, "POST", "", tuple(headers), body, "management", host))

    def _sent(self, estate: Estate, ask: Ask) -> Outcome:
        return Of(self.owner, ask)(estate)


def _row(what: str, path: str, form: dict[str, str] | None, looks: bool) -> Row:
    sent = None if form is None else tuple(form.items())
    control = partial(Opened, path, sent) if looks else partial(Opened, _MODEL, None)
    named = path.removeprefix("/ui").replace("<owner>", "OWNER").replace("<victim>", "MODEL")
    return Row(ROAD, f"{what} {named}", partial(Opened, path, sent), (MANAGEMENT,), ("404",), control)


ROWS = (
    *(_row("page", path, None, True) for path in _PAGES),
    _row("form", _PREDICT, {"input": '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'}, True),
    *(_row("form", path, form, False) for path, form in _FORMS.items()),
)
