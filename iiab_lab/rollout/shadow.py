"""What the live and the shadowed version answered to the same inputs → where they agree, and what it costs. Offline.

A mirrored answer reaches nobody, so it is compared afterwards: from the frames of two loads of the same rows, one to each
version, as `load` keeps them (see results.requests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


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
