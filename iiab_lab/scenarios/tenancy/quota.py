"""A hundred creates at once against a quota of ten → what became of each: exactly ten get through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ApiError, NotReady
from ...kube import Kube, Object
from ...target import Target
from ..report import Report
from ..security import intruder
from . import figures

if TYPE_CHECKING:
    import pandas

PLACE, QUOTA = "isolation-quota", "wall"
_COUNTED = "count/secrets"


class Answer(NamedTuple):
    """`status` is HTTP's; `said` the API server's own words."""

    status: int
    said: str


def add(report: Report, target: Target, hard: int = 10, asked: int = 100) -> None:
    """Adds the arithmetic as checks, frames["quota"] and figures["quota"]."""
    answers, used = wall(target, hard, asked)
    made = sum(answer.status == 201 for answer in answers)
    over = sum(answer.status == 403 and f"exceeded quota: {QUOTA}" in answer.said for answer in answers)
    example = next((answer.said for answer in answers if answer.status != 201), "")
    report.add(f"{asked} creates at once against a quota of {hard}", hard, made, made == hard, f"HTTP 201 × {made}")
    report.add("the others are told of the quota", asked - hard, over, over == asked - hard, example)
    report.add("what the quota's status counts", hard, used, used == str(hard), f"ResourceQuota {PLACE}/{QUOTA}")
    report.frames["quota"] = frame(answers)
    report.figures["quota"] = figures.wall(report.frames["quota"], hard)


def wall(target: Target, hard: int, asked: int) -> tuple[list[Answer], str]:
    """(the answers as they came, what the quota's status says is used)."""
    answers: list[Answer] = []
    with _walled(target.kube, hard) as bearer, ThreadPoolExecutor(asked) as crowd:
        tenant = _as(target, bearer)
        for one in [crowd.submit(_created, tenant, number, answers) for number in range(asked)]:
            one.result()
        return answers, _counted(target.kube, hard)


def frame(answers: list[Answer]) -> pandas.DataFrame:
    """One row per create, in the order of the answers: status, said, and how many had got through by then."""
    import pandas

    found = pandas.DataFrame(answers, columns=["status", "said"])
    found["created"] = (found["status"] == 201).cumsum()
    return found


@contextlib.contextmanager
def _walled(kube: Kube, hard: int) -> Iterator[str]:
    """A namespace with the quota in force → a token of its administrator."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    meta = {"name": QUOTA, "namespace": PLACE}
    kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {_COUNTED: str(hard)}}})
    try:
        kube.wait(_where(), lambda quota: bool((quota.get("status") or {}).get("used")), what="counted", timeout=10)
        yield intruder.token(kube, PLACE, "admin")
    finally:
        kube.delete("v1", "Namespace", PLACE)


def _where() -> tuple[str, str, str, str]:
    return "v1", "ResourceQuota", PLACE, QUOTA


def _as(target: Target, bearer: str) -> Kube:
    kube = Kube(target.kubeconfig, target.context)
    kube.session.headers["Authorization"] = f"Bearer {bearer}"
    return kube


def _created(kube: Kube, number: int, answers: list[Answer]) -> None:
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"isolation-{number}", "namespace": PLACE}}
    try:
        kube.raw("POST", f"/api/v1/namespaces/{PLACE}/secrets", json=made)
        answers.append(Answer(201, ""))
    except ApiError as error:
        answers.append(Answer(error.code, error.message))


def _counted(kube: Kube, hard: int) -> str:
    """What is used, once it is counted; the controller follows the API server."""
    seen: list[str] = [""]

    def full(quota: Object) -> bool:
        seen[0] = str(((quota.get("status") or {}).get("used") or {}).get(_COUNTED, ""))
        return seen[0] == str(hard)

    with contextlib.suppress(NotReady):
        kube.wait(_where(), full, what="full", timeout=5)
    return seen[0]
