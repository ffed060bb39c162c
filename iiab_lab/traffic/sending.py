"""A call → the same call many times: at once, or steadily in the background while something else is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .client import Answer

if TYPE_CHECKING:
    import pandas

_WORKERS = 16


def at_once(call: Callable[[], Answer], count: int) -> list[Answer]:
    """`count` calls by sixteen threads."""
    with ThreadPoolExecutor(_WORKERS) as crowd:
        return list(crowd.map(lambda _: call(), range(count)))


class Sending:
    """`with Sending(call, per_second=50) as sent:` calls steadily until the block ends, for at most a minute.

    An answer that is late delays no other call. `statuses` counts, `frame()` tells each answer's second, status and latency.
    """

    def __init__(self, call: Callable[[], Answer], per_second: float, seconds: float = 60.0) -> None:
        self._call, self._gap, self._most = call, 1 / per_second, seconds
        self._answers: list[tuple[float, Answer]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sending:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def statuses(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for _, answer in self._answers:
            found[answer.status] = found.get(answer.status, 0) + 1
        return found

    def frame(self) -> pandas.DataFrame:
        import pandas

        rows = [(second, answer.status, answer.seconds * 1e3) for second, answer in sorted(self._answers, key=_when)]
        return pandas.DataFrame(rows, columns=["second", "status", "milliseconds"])

    def _run(self) -> None:
        began = time.perf_counter()
        with ThreadPoolExecutor(_WORKERS) as crowd:
            for index in range(int(self._most / self._gap)):
                due = began + index * self._gap
                if self._stop.wait(max(0.0, due - time.perf_counter())):
                    return
                crowd.submit(self._one, due - began)

    def _one(self, second: float) -> None:
        self._answers.append((second, self._call()))


def _when(pair: tuple[float, Answer]) -> float:
    return pair[0]
