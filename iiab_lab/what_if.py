"""A recorded load and other autoscaling settings → the replicas Knative would have run, second by second.

The arithmetic is the platform's own; no platform has to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    import pandas

_PREFIX = "autoscaling.knative.dev/"
# As the platform ships config-autoscaler, on either engine.
_CONFIG = {"target-burst-capacity": "0", "scale-to-zero-grace-period": "6s"}
_ARRIVALS = ("arrivals", "due")


def what_if(
    load: pandas.DataFrame | pandas.Series | Sequence[float],
    annotations: Mapping[str, str] | None = None,
    container_concurrency: int = 0,
    seconds_per_request: float = 0.05,
    startup: float = 0.2,
    *,
    replicas: int = 0,
    config: Mapping[str, str] | None = None,
) -> pandas.DataFrame:
    """What the autoscaler would do with a load, as one row per second on the load's own index.

    `load` is requests per second, one row a second: the frame of seconds of a load that ran (its column `due`), one with a
    column `arrivals`, or plain numbers. `annotations` are those of a revision; `autoscaling.knative.dev/` may be left out
    (`{"window": "30s"}`). `seconds_per_request` is the time one takes when nothing else waits, `startup` how long a Pod
    takes from the decision to its first request, `replicas` how many serve at the beginning, `config` the keys of
    config-autoscaler, by default the platform's.

    Columns: `arrivals` (requests/s), `in_flight` and `waiting` (requests, means), `ready`, `replicas` and `desired` (Pods),
    `stable` and `panic` (of the metric the revision is scaled on), `panicking`, `activator` (whether it is in the path).
    Raises UsageError for settings that Knative would refuse, in its words, and for a load that is none.
    """
    import pandas

    from .engines.embedded.rules.autoscaling.simulation import Second, Workload, simulate

    arrivals = _arrivals(load)
    if seconds_per_request <= 0 or startup < 0 or replicas < 0 or container_concurrency < 0:
        raise UsageError(
            "a request takes some time, and neither a start, nor Pods, nor a concurrency are fewer than none",
            "give seconds_per_request > 0, and startup, replicas and container_concurrency >= 0",
        )
    settings = _settings(annotations or {}, container_concurrency, _CONFIG if config is None else config)
    workload = Workload(list(arrivals), seconds_per_request, startup, container_concurrency, replicas)
    rows = [vars(second) for second in simulate(settings, workload)]
    return pandas.DataFrame(rows, columns=[*Second.__dataclass_fields__], index=arrivals.index)


def _settings(annotations: Mapping[str, str], container_concurrency: int, data: Mapping[str, str]) -> Any:
    from .engines.embedded.rules.autoscaling import annotations as rules
    from .engines.embedded.rules.autoscaling.config import Config
    from .engines.embedded.rules.autoscaling.settings import Settings

    try:
        config = Config.parse(data)
    except ValueError as error:
        raise UsageError(f"config-autoscaler: {error}", "mend that key of `config`, or leave it out") from error
    given = {name if "/" in name else _PREFIX + name: str(value) for name, value in annotations.items()}
    known = {key for one in rules.ALL for key in one.keys}
    if strange := sorted(given.keys() - known):
        names = ", ".join(one.keys[0].removeprefix(_PREFIX) for one in rules.ALL)
        raise UsageError(f"no annotation of the autoscaler: {', '.join(strange)}", f"one of: {names}")
    if wrong := rules.problems(given, config):
        raise UsageError(rules.text(wrong), "give values within these bounds")
    return Settings.of(given, container_concurrency, config)


def _arrivals(load: pandas.DataFrame | pandas.Series | Sequence[float]) -> pandas.Series:
    import pandas

    if isinstance(load, pandas.DataFrame):
        column = next((name for name in _ARRIVALS if name in load), None)
        if column is None:
            columns = ", ".join(map(str, load.columns)) or "none"
            raise UsageError(f"the load has no column of requests per second, but {columns}", "name it `arrivals`")
        load = load[column]
    try:
        arrivals = pandas.Series(load, dtype=float)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the load is no series of numbers: {error}", "give requests per second, one a second"
        ) from None
    if not (arrivals >= 0).all() or (arrivals == float("inf")).any():
        raise UsageError("the load has gaps, infinite or negative numbers", "fill gaps with 0: load.fillna(0)")
    return arrivals
