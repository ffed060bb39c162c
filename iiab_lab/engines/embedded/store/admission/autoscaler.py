"""What the schema of a HorizontalPodAutoscaler cannot say: bounds in order, one source and one target per metric → or 422.

In the words of Kubernetes' own validation (pkg/apis/autoscaling).
"""

from __future__ import annotations

from collections.abc import Iterator

from ...objects import quantities
from ...objects.meta import Object
from ..causes import Cause
from ..structural import invalid
from . import Admit

_SOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}


def check(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is None or admit.subresource:
        return obj
    spec = obj["spec"]
    causes = list(_bounds(spec))
    for index, metric in enumerate(spec["metrics"]):
        causes += _metric(metric, f"spec.metrics[{index}]")
    for way, rules in (spec.get("behavior") or {}).items():
        causes += _amount(rules.get("tolerance"), f"spec.behavior.{way}.tolerance", at_least_zero=True)
    if causes:
        raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"]["name"], causes)
    return obj


def _bounds(spec: Object) -> Iterator[Cause]:
    if not spec["metrics"]:
        yield "spec.metrics", "Required value: must name at least one metric, or be left out"
    if spec["maxReplicas"] < spec["minReplicas"]:
        said = "must be greater than or equal to `minReplicas`"
        yield "spec.maxReplicas", f"Invalid value: {spec['maxReplicas']}: {said}"


def _metric(metric: Object, path: str) -> Iterator[Cause]:
    wanted = _SOURCES[metric["type"]]
    if wanted not in metric:
        yield f"{path}.{wanted}", "Required value: must populate information for the given metric source"
    for other in sorted({*_SOURCES.values()} - {wanted}):
        if other in metric:
            yield f"{path}.{other}", "Forbidden: must populate the given metric source only"
    if wanted in metric:
        yield from _target(metric[wanted]["target"], f"{path}.{wanted}.target")


def _target(target: Object, path: str) -> Iterator[Cause]:
    share, amount = "averageUtilization" in target, "averageValue" in target
    if not share and not amount:
        yield f"{path}.averageUtilization", "Required value: must set either a target raw value or a target utilization"
    if share and amount:
        yield f"{path}.averageValue", "Forbidden: may not set both a target raw value and a target utilization"
    yield from _amount(target.get("averageValue"), f"{path}.averageValue")


def _amount(value: object, path: str, *, at_least_zero: bool = False) -> Iterator[Cause]:
    if value is None:
        return
    try:
        number = quantities.parse(value)
    except ValueError as error:
        yield path, f"Invalid value: {error}"
        return
    if number < 0 or (number == 0 and not at_least_zero):
        bound = "greater than or equal to 0" if at_least_zero else "positive"
        yield path, f'Invalid value: "{value}": must be {bound}'
