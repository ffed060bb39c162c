"""What is read is shared: whoever changes it would change it for all, so every test looks for that at its end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import orjson
import pytest

from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.store.watch import Entry


@pytest.fixture(autouse=True)
def nobody_changes_what_is_shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    seen: list[tuple[bytes, Object]] = []

    def shared(entry: Entry) -> Object:
        obj = entry.object()
        seen.append((entry.raw, obj))
        return obj

    watched = cached_property(shared)
    watched.__set_name__(Entry, "shared")
    monkeypatch.setattr(Entry, "shared", watched)
    yield
    for raw, obj in seen:
        assert orjson.dumps(obj) == raw
