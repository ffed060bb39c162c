"""The annotations `autoscaling.knative.dev/*` of a revision → typed values; `problems` tells what upstream's webhook refuses.

Source: knative/serving, pkg/apis/autoscaling/{register,annotation_validation}.go; the forms of the messages are those of
knative.dev/pkg's apis.FieldError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import literals
from .config import HPA, KPA, PANIC_WINDOW_MAX, PANIC_WINDOW_MIN, TARGET_MIN, WINDOW_MAX, WINDOW_MIN, Config
from .literals import INT32, OutOfRange, duration_text, number_text

GROUP = "autoscaling.knative.dev"
CONCURRENCY, RPS = "concurrency", "rps"
LINEAR, WEIGHTED = "linear", "weighted-exponential"
_WEIGHTED_ALIAS = "weightedExponential"
_WHOLE_SECONDS = "must be specified with at most second precision"

Annotations = Mapping[str, str]
Problem = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True)
class Annotation(Generic[T]):
    """One setting under its names, the one that counts first."""

    keys: tuple[str, ...]
    parse: Callable[[str], T]

    def find(self, annotations: Annotations) -> tuple[str, str] | None:
        """(the key it stands under, its text)"""
        return next(((key, annotations[key]) for key in self.keys if key in annotations), None)

    def value(self, annotations: Annotations) -> T | None:
        """None where there is none, or none that can be read."""
        found = self.find(annotations)
        try:
            return self.parse(found[1]) if found else None
        except ValueError:
            return None


def _named(name: str, parse: Callable[[str], T], *, alias: bool = True, group: str = GROUP) -> Annotation[T]:
    first, *rest = name.split("-")
    camel = [first + "".join(part.capitalize() for part in rest)] if rest and alias else []
    return Annotation(tuple(f"{group}/{one}" for one in (name, *camel)), parse)


CLASS = _named("class", str)
METRIC = _named("metric", str)
TARGET = _named("target", literals.number)
TARGET_UTILIZATION = _named("target-utilization-percentage", literals.number)
TARGET_BURST_CAPACITY = _named("target-burst-capacity", literals.number)
MIN_SCALE = _named("min-scale", literals.integer)
MAX_SCALE = _named("max-scale", literals.integer)
INITIAL_SCALE = _named("initial-scale", literals.integer)
ACTIVATION_SCALE = _named("activation-scale", literals.integer, alias=False)
SCALE_DOWN_DELAY = _named("scale-down-delay", literals.duration)
POD_RETENTION = _named("scale-to-zero-pod-retention-period", literals.duration)
WINDOW = _named("window", literals.duration)
PANIC_WINDOW = _named("panic-window-percentage", literals.number)
PANIC_THRESHOLD = _named("panic-threshold-percentage", literals.number)
ALGORITHM = _named("metric-aggregation-algorithm", str)
# Of the Deployment rather than of the autoscaler, which gives up a while after it.
PROGRESS_DEADLINE = _named("progress-deadline", literals.duration, group="serving.knative.dev")

ALL: tuple[Annotation[Any], ...] = (
    CLASS,
    METRIC,
    TARGET,
    TARGET_UTILIZATION,
    TARGET_BURST_CAPACITY,
    MIN_SCALE,
    MAX_SCALE,
    INITIAL_SCALE,
    ACTIVATION_SCALE,
    SCALE_DOWN_DELAY,
    POD_RETENTION,
    WINDOW,
    PANIC_WINDOW,
    PANIC_THRESHOLD,
    ALGORITHM,
)


def autoscaler_class(annotations: Annotations, config: Config) -> str:
    return CLASS.value(annotations) or config.pod_autoscaler_class


def metric(annotations: Annotations) -> str:
    """What the revision is scaled on by the KPA: whatever is not `rps` counts as concurrency."""
    return RPS if METRIC.value(annotations) == RPS else CONCURRENCY


def algorithm(annotations: Annotations) -> str:
    return WEIGHTED if ALGORITHM.value(annotations) in (WEIGHTED, _WEIGHTED_ALIAS) else LINEAR


def problems(annotations: Annotations, config: Config) -> list[Problem]:
    """(annotation key, message) of all that upstream would refuse; a message about two keys stands under each."""
    checks = (_class, _scales, _activation, _percentages, _target, _durations, _metric, _algorithm, _initial_scale)
    return [found for check in checks for found in check(annotations, config)]


def text(found: Iterable[Problem], path: str = "") -> str:
    """The problems as one message, a line each in alphabetical order; `path` leads to the annotations."""
    keys: dict[str, set[str]] = {}
    for key, message in found:
        keys.setdefault(message, set()).add(f"{path}.{key}" if path else key)
    return "\n".join(f"{message}: {', '.join(sorted(keys[message]))}" for message in sorted(keys))


def _class(annotations: Annotations, _: Config) -> Iterator[Problem]:
    if (found := CLASS.find(annotations)) and found[1].endswith(".knative.dev") and found[1] not in (KPA, HPA):
        yield _invalid(found)


def _scales(annotations: Annotations, config: Config) -> Iterator[Problem]:
    for annotation in (MIN_SCALE, MAX_SCALE):
        yield from _counted(annotation, annotations)
    least, most = _count(MIN_SCALE, annotations), _count(MAX_SCALE, annotations)
    if 0 != most < least:
        for annotation in (MAX_SCALE, MIN_SCALE):
            yield annotation.keys[0], f"max-scale={most} is less than min-scale={least}"
    found, limit = MAX_SCALE.find(annotations), config.max_scale_limit
    if found and limit and most > limit:
        yield found[0], _outside(str(most), "1", str(limit))
    if found and limit and most == 0:
        yield found[0], f"max-scale=0 (unlimited), must be less than {limit}"


def _counted(annotation: Annotation[int], annotations: Annotations) -> Iterator[Problem]:
    if not (found := annotation.find(annotations)):
        return
    try:
        if annotation.parse(found[1]) < 0:
            yield found[0], _outside(found[1], "0", str(INT32))
    except OutOfRange:
        yield found[0], _outside(found[1], "0", str(INT32))
    except ValueError:
        yield _invalid(found)


def _count(annotation: Annotation[int], annotations: Annotations) -> int:
    return max(0, annotation.value(annotations) or 0)


def _activation(annotations: Annotations, _: Config) -> Iterator[Problem]:
    if not (found := ACTIVATION_SCALE.find(annotations)):
        return
    wanted = ACTIVATION_SCALE.value(annotations)
    least, most = _count(MIN_SCALE, annotations), _count(MAX_SCALE, annotations)
    if wanted is None:
        yield _invalid(found)
    elif least > wanted:
        yield found[0], f"min-scale={least} is greater than activation-scale={wanted}"
    elif 0 != most < wanted:
        yield found[0], f"max-scale={most} is less than activation-scale={wanted}"
    elif wanted < 2:
        yield found[0], f"activation-scale={wanted} must be greater than 1"


_PERCENTAGES = (
    (PANIC_WINDOW, PANIC_WINDOW_MIN, PANIC_WINDOW_MAX),
    (PANIC_THRESHOLD, 110.0, 1000.0),
    (TARGET_UTILIZATION, 1.0, 100.0),
)


def _percentages(annotations: Annotations, _: Config) -> Iterator[Problem]:
    for annotation, least, most in _PERCENTAGES:
        if found := annotation.find(annotations):
            value = annotation.value(annotations)
            if value is None:
                yield _invalid(found)
            elif not least <= value <= most:
                yield found[0], _outside(found[1], number_text(least), number_text(most))


def _target(annotations: Annotations, _: Config) -> Iterator[Problem]:
    if found := TARGET.find(annotations):
        value = TARGET.value(annotations)
        if value is None:
            yield _invalid(found)
        elif value < TARGET_MIN:
            yield found[0], f"target {found[1]} should be at least {TARGET_MIN}"
    if found := TARGET_BURST_CAPACITY.find(annotations):
        value = TARGET_BURST_CAPACITY.value(annotations)
        if value is None or (value < 0 and value != -1):
            yield _invalid(found)


def _durations(annotations: Annotations, _: Config) -> Iterator[Problem]:
    for annotation, least in ((WINDOW, WINDOW_MIN), (POD_RETENTION, 0.0), (SCALE_DOWN_DELAY, 0.0)):
        if found := annotation.find(annotations):
            value = annotation.value(annotations)
            if value is None:
                yield _invalid(found)
            elif not least <= value <= WINDOW_MAX:
                yield found[0], _outside(found[1], duration_text(least), duration_text(WINDOW_MAX))
            elif value != int(value) and annotation is not POD_RETENTION:
                yield found[0], _WHOLE_SECONDS


def _metric(annotations: Annotations, config: Config) -> Iterator[Problem]:
    if found := METRIC.find(annotations):
        given = CLASS.find(annotations)
        scaler = given[1] if given else config.pod_autoscaler_class
        if (scaler == KPA and found[1] not in (CONCURRENCY, RPS)) or (scaler == HPA and not found[1]):
            yield _invalid(found)


def _algorithm(annotations: Annotations, _: Config) -> Iterator[Problem]:
    """Only where the class is said to be the KPA's: others may have algorithms of their own."""
    found = ALGORITHM.find(annotations)
    if CLASS.value(annotations) == KPA and found and found[1] not in ("", LINEAR, WEIGHTED, _WEIGHTED_ALIAS):
        yield _invalid(found)


def _initial_scale(annotations: Annotations, config: Config) -> Iterator[Problem]:
    if not (found := INITIAL_SCALE.find(annotations)):
        return
    key, given = found
    try:
        value = literals.integer(given, 2**63 - 1)
    except ValueError:
        yield _invalid(found)
        return
    if value < 0:
        yield f"{key} must be greater than 0", f"invalid value: {given}"
    elif value == 0 and not config.allow_zero_initial_scale:
        yield f"{key}=0 not allowed by cluster", f"invalid value: {given}"


def _invalid(found: tuple[str, str]) -> Problem:
    return found[0], f"invalid value: {found[1]}"


def _outside(value: str, least: str, most: str) -> str:
    return f"expected {least} <= {value} <= {most}"
