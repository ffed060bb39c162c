"""What is wrong with a VirtualService or DestinationRule → its status: a condition for people, messages for programs.

All is well without a word, as Istio leaves it. Source of codes: istio/istio, pkg/config/analysis/msg.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...objects.conditions import condition, merge
from ...objects.meta import Object

RECONCILED = "Reconciled"
_DOCUMENTATION = "https://istio.io/latest/docs/reference/config/analysis"


class Reason(NamedTuple):
    """`code` is Istio's, "" where it knows no such message."""

    name: str
    code: str


REFUSED = Reason("SchemaValidationError", "IST0106")
MISSING = Reason("ReferencedResourceNotFound", "IST0101")
FOREIGN = Reason("HostConflict", "")


class Problem(NamedTuple):
    reason: Reason
    message: str


def status(obj: Object, problems: Sequence[Problem], now: str) -> Object:
    """{} where there is none."""
    if not problems:
        return {}
    said = "; ".join(problem.message for problem in problems)
    made = condition(RECONCILED, False, problems[0].reason.name, said, now=now)
    generation = obj["metadata"].get("generation", 1)
    return {
        "observedGeneration": generation,
        "conditions": merge((obj.get("status") or {}).get("conditions"), [made | {"observedGeneration": generation}]),
        "validationMessages": [
            {
                "type": {"name": problem.reason.name, "code": problem.reason.code},
                "level": "ERROR",
                "documentationUrl": f"{_DOCUMENTATION}/{problem.reason.code.lower()}/",
            }
            for problem in problems
            if problem.reason.code
        ],
    }
