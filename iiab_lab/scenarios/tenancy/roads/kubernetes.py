"""By the Kubernetes API: every kind there is in another tenant's namespace, asked for by an account that may all in its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ...security.attack import API_SERVER, Api, Outcome
from ...security.stage import ADMIN
from ..estate import Estate
from ..row import Attempt, Row

ROAD = "kubernetes"
_DENIED = "403"
_WATCHED = "?watch=1&timeoutSeconds=1"


@dataclass(frozen=True)
class Kept(Attempt):
    """The request by the owner; where not even an owner may do this, by the platform's admin."""

    ask: Api
    owner: str

    def on(self, estate: Estate) -> Outcome:
        found = _sent(estate, self.ask, self.owner, self.owner)
        return found if found.status != _DENIED else _sent(estate, self.ask, ADMIN, self.owner)


@dataclass(frozen=True)
class Tried(Attempt):
    ask: Api
    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        return _sent(estate, self.ask, self.actor, self.owner)


def _sent(estate: Estate, ask: Api, actor: str, owner: str) -> Outcome:
    return estate.api(actor, ask.method, estate.filled_for(ask.path, owner), estate.filled_for(ask.body, owner), {})


def rows(estate: Estate) -> Iterator[Row]:
    """Asks the API what there is: kinds that are added tomorrow are tried tomorrow."""
    for path, verbs in sorted(_namespaced(estate)):
        name = path.rpartition("/")[2]
        if "list" in verbs:
            yield _row(f"list {name}", Api(path, "", "GET"))
        if "deletecollection" in verbs:
            yield _row(f"delete all {name}", Api(path, "", "DELETE"))
    secrets = "/api/v1/namespaces/<owner>/secrets"
    yield _row("watch secrets", Api(secrets + _WATCHED, "", "GET"))
    yield _row("read the client's secret", Api(f"{secrets}/identity-client", "", "GET"))
    yield _row("create a Secret", Api(secrets, "", "POST", _MADE), "201")
    yield _row("patch the model", Api(f"{_MODELS}/<victim>", "", "PATCH", '{"metadata": {"labels": {"x": "y"}}}'))
    yield _row("delete the model", Api(f"{_MODELS}/<victim>", "", "DELETE"))
    token = Api("/api/v1/namespaces/<owner>/serviceaccounts/default/token", "", "POST", '{"spec": {}}')
    yield _row("a token of its account", token, "201")
    yield _row(
        "a Pod's log",
        Api("/api/v1/namespaces/<owner>/pods/<pod>/log?container=kserve-container", "", "GET"),
        road="logs",
    )
    yield _row("Pods of the audit stream", Api("/api/v1/namespaces/audit/pods", "", "GET"), road="audit")


_MODELS = "/apis/serving.kserve.io/v1beta1/namespaces/<owner>/inferenceservices"
_MADE = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "isolation"}}'


def _row(what: str, ask: Api, passes: str = "200", road: str = ROAD) -> Row:
    return Row(road, what, partial(Tried, ask), (API_SERVER,), (_DENIED,), lambda _, owner: Kept(ask, owner), (passes,))


def _namespaced(estate: Estate) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(its path in `<owner>`'s namespace, what may be done) of every kind that lives in namespaces."""
    kube = estate.target.kube
    groups = kube.raw("GET", "/apis").json()["groups"]
    for version in ("v1", *(group["preferredVersion"]["groupVersion"] for group in groups)):
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for one in kube.discover(version):
            if one["namespaced"] and "/" not in one["name"]:
                yield f"{root}/namespaces/<owner>/{one['name']}", tuple(one["verbs"])
