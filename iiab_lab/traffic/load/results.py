"""Records of requests → frames: one row per request, per phase, per second. Milliseconds where a column says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from .phases import Phase, starts
from .wire import DTYPE, STOPPED, UNSENT

if TYPE_CHECKING:
    import pandas

Array = Any  # numpy's, of wire.DTYPE
Words = Mapping[str, Sequence[str]]
QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p99.9_ms": 0.999, "max_ms": 1.0}
_LATE = {"late_p50_ms": 0.5, "late_p99_ms": 0.99, "late_max_ms": 1.0}


def read(chunks: Sequence[bytes]) -> Array:
    return numpy.frombuffer(b"".join(chunks), DTYPE)


def percentile(values: Array, share: float) -> float:
    """Nearest rank; NaN of nothing."""
    if not len(values):
        return float("nan")
    rank = max(0, int(numpy.ceil(share * len(values))) - 1)
    return float(numpy.partition(values, rank)[rank])


def requests(records: Array, phases: Sequence[Phase], words: Words, began: float) -> pandas.DataFrame:
    """One row per request that has come to its end, in the order in which they were due.

    `time` (UTC) and `due` (seconds) say when; `lateness_ms` is from due to sent, of which `held_ms` was spent waiting for a free
    connection; `latency_ms` runs from due to the last byte, or to giving up; `status` is 0 where no answer came, and then
    `error` says why; `revision` is who answered, where the answer said so; `asked` counts the call's bodies, and `answer` is
    what was kept of what came back.
    """
    import pandas

    records = records[numpy.argsort(records["due"], kind="stable")]
    columns: dict[str, Any] = {
        "time": pandas.to_datetime(began + records["due"], unit="s", utc=True),
        "phase": pandas.Categorical.from_codes(records["phase"], _names(phases)),
        "due": records["due"],
    }
    columns |= {f"{name}_ms": records[name].astype(float) * 1e3 for name in ("lateness", "held", "latency")}
    columns["status"] = records["status"].astype(int)
    columns |= {
        name: numpy.array(words[f"{name}s"], dtype=object)[records[name]] for name in ("error", "revision", "answer")
    }
    columns["asked"] = records["asked"].astype(int)
    return pandas.DataFrame(columns)


def by_phase(records: Array, phases: Sequence[Phase], words: Words, elapsed: float) -> pandas.DataFrame:
    """One row per phase: how long it ran, the rates it planned and reached (requests sent while it ran, per second), what came
    back, and how late it was.

    Percentiles are over all requests, also failed and unsent ones; `late_*` is the generator's own share of lateness.
    """
    import pandas

    rows, edges = [], starts(phases)
    for index, phase in enumerate(phases):
        ran = min(max(0.0, elapsed - edges[index]), phase.seconds)
        mine = records[records["phase"] == index]
        sent = int(numpy.count_nonzero(mine["due"] + mine["lateness"] <= edges[index] + ran))
        rows.append(_phase_row(mine, phase, words, ran, sent))
    return pandas.DataFrame(rows, index=pandas.Index(_names(phases), name="phase"))


def _phase_row(records: Array, phase: Phase, words: Words, ran: float, sent: int) -> dict[str, Any]:
    own = (records["lateness"] - records["held"]) * 1e3
    errors = count(records["error"][records["error"] > 0], words["errors"])
    unsent, stopped = errors.get(UNSENT, 0), errors.get(STOPPED, 0)
    fine = int(numpy.count_nonzero(succeeded(records)))
    return {
        "seconds": ran,
        "planned": float("nan") if phase.concurrency else phase.arrivals / phase.seconds,
        "rate": sent / ran if ran else 0.0,
        "requests": len(records),
        "ok": fine,
        "failed": len(records) - fine - stopped,
        "unsent": unsent,
        "held": int(numpy.count_nonzero(records["held"])),
        **{name: percentile(records["latency"], share) * 1e3 for name, share in QUANTILES.items()},
        **{name: percentile(own, share) for name, share in _LATE.items()},
        "statuses": count(records["status"][records["status"] > 0]),
        "errors": errors,
        "revisions": count(records["revision"][records["revision"] > 0], words["revisions"]),
    }


def by_second(records: Array, phases: Sequence[Phase], began: float, ticks: Sequence[Mapping[str, float]]) -> Any:
    """One row per second of the run, indexed by UTC: requests that fell due, that came to an end, and that failed in it,
    those in flight and waiting at its end, and percentiles of those that fell due in it.
    """
    import pandas

    due, ended = records["due"].astype(int), (records["due"] + records["latency"]).astype(int)
    count_of = int(max(ended.max(initial=0), ticks[-1]["at"] if ticks else 0.0)) + 1
    columns: dict[str, Any] = {
        "due": numpy.bincount(due, minlength=count_of),
        "ended": numpy.bincount(ended, minlength=count_of),
        "failed": numpy.bincount(ended[~succeeded(records)], minlength=count_of),
        **{name: _last(ticks, name, count_of) for name in ("in_flight", "waiting")},
        **_percentiles(due, records["latency"] * 1e3, count_of),
    }
    edges = numpy.array(starts(phases)[1:-1])
    columns["phase"] = numpy.array(_names(phases), dtype=object)[
        numpy.searchsorted(edges, numpy.arange(count_of), "right")
    ]
    index = pandas.to_datetime(began + numpy.arange(count_of), unit="s", utc=True).rename("time")
    return pandas.DataFrame(columns, index=index)


def _names(phases: Sequence[Phase]) -> list[str]:
    return [phase.name for phase in phases]


def succeeded(records: Array) -> Array:
    return records["status"] // 100 == 2


def seen(records: Array, words: Words) -> Counter[int | str]:
    """Status, or error where there was none → how often."""
    answered = records["status"] > 0
    errors = count(records["error"][~answered], words["errors"])
    return Counter(count(records["status"][answered]) | errors)


def phase_at(phases: Sequence[Phase], second: float) -> str:
    """The phase that a second belongs to; the last, once all are over."""
    place = int(numpy.searchsorted(starts(phases)[1:-1], second, "right"))
    return phases[place].name


def count(numbers: Array, words: Sequence[str] = ()) -> dict[Any, int]:
    """value → how often, most frequent first; numbers of words as the words."""
    values, counts = numpy.unique(numbers, return_counts=True)
    order = numpy.argsort(-counts, kind="stable")
    return {words[values[i]] if words else int(values[i]): int(counts[i]) for i in order}


def _percentiles(seconds: Array, latencies: Array, length: int) -> dict[str, Array]:
    """All seconds at once: sorted by second and latency, each second is a run in which a rank is a place."""
    ordered = latencies[numpy.lexsort((latencies, seconds))]
    counts = numpy.bincount(seconds, minlength=length)
    firsts = numpy.cumsum(counts) - counts
    found = {}
    for name, share in QUANTILES.items():
        places = firsts + numpy.maximum(numpy.ceil(share * counts).astype(int) - 1, 0)
        values = numpy.full(length, numpy.nan)
        values[counts > 0] = ordered[places[counts > 0]]
        found[name] = values
    return found


def _last(ticks: Sequence[Mapping[str, float]], name: str, length: int) -> Array:
    """The last value of each second; what it was before where nobody looked."""
    values = numpy.zeros(length)
    for tick in ticks:
        values[max(0, int(tick["at"])) :] = tick[name]
    return values.astype(int)
