"""What a confined query answers must not depend on anybody else's series: it is the same where there are none."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from iiab_lab.services.metrics.confine import Unconfinable, query

from .prometheus import Prometheus
from .queries import RECORDED

_MINE = "mine"


class Trial:
    """Counts what was seen, so that a test can show it has seen something."""

    def __init__(self, everybody: Prometheus, alone: Prometheus) -> None:
        self._everybody, self._alone = everybody, alone
        self.seen: Counter[str] = Counter()

    def check(self, text: str) -> None:
        text = re.sub(r"NOW-(\d+)", lambda back: str(self._everybody.now - int(back[1])), text)
        try:
            confined = query(text, _MINE)
        except Unconfinable:  # Prometheus refuses it too
            assert not self._alone.query(text)[0], text
            self.seen.update(("asked", "refused"))
            return
        done, found = self._everybody.query(confined)
        assert "secret-theirs" not in json.dumps(found) and "secret-others" not in json.dumps(found), confined
        if any(name in text for name in RECORDED):
            # Rules go on being evaluated, by each Prometheus at its own moments: only whose results come through is compared.
            foreign = [name for name in ("theirs", "others") if name not in text and name in json.dumps(found)]
            assert not foreign, (text, confined, found)
        else:
            self._compare(text, confined, done, found)
        self._count(text, done, found)

    def _compare(self, text: str, confined: str, done: bool, found: Any) -> None:
        done_alone, found_alone = self._alone.query(confined)
        assert done == done_alone and (not done or _same(found, found_alone)), (text, confined, found, found_alone)
        if "absent" not in text:
            # On nobody's series but one's own, being confined changes nothing. (What absent() tells has the label.)
            meant, own = self._alone.query(text)
            assert meant == done and (not done or _same(found, own)), (text, confined, found, own)

    def _count(self, text: str, done: bool, found: Any) -> None:
        self.seen["asked"] += 1
        self.seen["refused"] += not done
        self.seen["own"] += "secret-mine" in json.dumps(found)
        self.seen["unconfined differs"] += (unconfined := self._everybody.query(text))[0] and unconfined[1] != found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or (
        isinstance(one, str)
        and isinstance(other, str)
        and math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-9)
    )
