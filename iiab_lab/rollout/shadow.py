"""What the live and the shadowed version answered to the same inputs → where they agree, and what it costs. Offline.

A mirrored answer reaches nobody, so it is compared afterwards: from the frames of two loads of the same rows, one to each
version, as `load` keeps them (see results.requests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import beta

if TYPE_CHECKING:
    import pandas

_LEVEL = 0.05


def agreement(live: pandas.DataFrame, shadow: pandas.DataFrame) -> pandas.DataFrame:
    """One row per input that both were asked: `live` and `shadow` (the answer most of them got, "" where all failed), `agree`,
    median milliseconds, and how many requests failed of how many.

    Frames have columns `asked` (the input), `answer`, `status`, `latency_ms`, one row per request.
    """
    import pandas

    both = {"live": _by_input(live), "shadow": _by_input(shadow)}
    joined = pandas.concat(both, axis=1, join="inner")
    joined.columns = [which if what == "answer" else f"{which}_{what}" for which, what in joined.columns]
    agree = (joined["live"] == joined["shadow"]) & (joined["live"] != "")
    return joined.assign(agree=agree)


def agreed(frame: pandas.DataFrame) -> tuple[float, float, float]:
    """Share of inputs with one answer, and its Clopper-Pearson interval at 95 %; (0, 0, 1) of none."""
    same, total = int(frame["agree"].sum()), len(frame)
    if not total:
        return 0.0, 0.0, 1.0
    low = beta.ppf(_LEVEL / 2, same, total - same + 1) if same else 0.0
    high = beta.ppf(1 - _LEVEL / 2, same + 1, total - same) if same < total else 1.0
    return same / total, float(low), float(high)


def _by_input(frame: pandas.DataFrame) -> pandas.DataFrame:
    fine = frame["status"] // 100 == 2
    return (
        frame.assign(fine=fine, said=frame["answer"].where(fine))
        .groupby("asked")
        .agg(
            answer=("said", _most),
            ms=("latency_ms", "median"),
            failed=("fine", lambda good: int((~good).sum())),
            requests=("fine", "size"),
        )
    )


def _most(answers: pandas.Series) -> str:
    counted = answers.dropna().value_counts()
    return str(counted.index[0]) if len(counted) else ""
