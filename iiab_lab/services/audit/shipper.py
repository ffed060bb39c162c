"""The logs of a node → the stream: one look at all of them is one batch, committed with how far each was read."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge

from . import events, places, proxies
from .follow import Log, Position
from .places import Place
from .record import ALLOWED, ERROR, Fact
from .stream import Stream

_FIND_EVERY, _EXPIRE_EVERY = 1.0, 60.0
_PATIENCE = 60  # so many looks for a log that is missing
_PROMETHEUS = ("system:serviceaccount:monitoring:prometheus", "spiffe://cluster.local/ns/monitoring/sa/prometheus")
_API = Place(places.API, "", "")


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["plane", "hop", "decision", "reason"]
        self.records = Counter("iiab_audit_records", "Records of the stream.", labels, registry=registry)
        self.unreadable = Counter("iiab_audit_unreadable_lines", "JSON lines that none can read.", registry=registry)
        self.lost = Counter("iiab_audit_lost_bytes", "Of logs that were gone before they were read.", registry=registry)
        self.behind = Gauge("iiab_audit_behind_bytes", "Written by the hops and not read yet.", registry=registry)
        self.head = Gauge("iiab_audit_head", "Number of the last committed record.", registry=registry)


class Source(NamedTuple):
    place: Place
    log: Log


class Shipper:
    """`api` is the API server's audit log, `pods` the folder with the logs of Pods."""

    def __init__(self, stream: Stream, pods: Path, api: Path, metrics: Metrics) -> None:
        self._stream, self._pods, self._api, self._metrics = stream, pods, api, metrics
        self._sources: dict[str, Source] = {}
        self._missing: dict[str, int] = {}
        self._unseen = dict(stream.head.positions)
        self._namespaces: frozenset[str] = frozenset()
        self._find_at = self._expire_at = 0.0
        if stream.found:
            self._note(_own("resume", "stream", f"it was not as it was left: {stream.found}"))

    def look(self) -> int:
        """Reads what is new → how many records it made."""
        now = time.monotonic()
        if now >= self._find_at:
            self._find()
            self._find_at = now + _FIND_EVERY
        facts = sorted((fact for source in self._sources.values() for fact in self._facts(source)), key=_when)
        if facts:
            self._stream.append(facts, _today())
            self._stream.commit(self._positions())
            self._count(facts)
        if now >= self._expire_at:
            self._expire()
            self._expire_at = now + _EXPIRE_EVERY
        return len(facts)

    def close(self) -> None:
        for source in self._sources.values():
            source.log.close()
        self._stream.close()

    def _find(self) -> None:
        """New logs, from where they were read to. One that is missing may only be between two names, as it is rotated."""
        found = {str(self._api): (self._api, _API)} | {
            str(file): (file, place) for file, place in places.logs(self._pods)
        }
        for name in found.keys() - self._sources.keys():
            file, place = found[name]
            self._sources[name] = Source(place, Log(file, Position(*self._unseen.pop(name, Position()))))
        gone = (self._sources.keys() | self._unseen.keys()) - found.keys()
        self._missing = {name: self._missing.get(name, 0) + 1 for name in gone}
        for name in [name for name, times in self._missing.items() if times > _PATIENCE]:
            self._unseen.pop(name, None)
            if name in self._sources:
                self._sources.pop(name).log.close()
        self._namespaces = frozenset(source.place.namespace for source in self._sources.values())
        self._metrics.behind.set(sum(source.log.behind for source in self._sources.values()))

    def _facts(self, source: Source) -> Iterator[Fact]:
        for text in source.log.lines():
            if text[:1] != b"{":
                continue  # what a program says besides
            try:
                line = orjson.loads(text)
                fact = events.fact(line) if source.place is _API else proxies.fact(source.place, line, self._namespaces)
            except (ValueError, TypeError, AttributeError):
                self._metrics.unreadable.inc()
                fact = _own("unreadable", source.place.name or places.API, "a line of the log could not be read")
            if fact is not None and not _scrape(fact):
                yield fact
        if source.log.lost:
            self._metrics.lost.inc(source.log.lost)
            name = f"{source.place.name or places.API} {source.log.path.name}"
            yield _own("gap", name, "a part of the log was gone before it was read")
            source.log.lost = 0

    def _positions(self) -> dict[str, tuple[int, int]]:
        read = {name: one.log.position for name, one in self._sources.items()}
        return {**self._unseen, **{name: (at.inode, at.offset) for name, at in read.items()}}

    def _expire(self) -> None:
        if gone := self._stream.expired(time.time()):
            first, last = self._stream.remove(gone)
            self._note(_own("expire", f"records {first} to {last}", "", ALLOWED))

    def _note(self, fact: Fact) -> None:
        self._stream.append([fact], _today())
        self._stream.commit(self._stream.head.positions)
        self._count([fact])

    def _count(self, facts: list[Fact]) -> None:
        counted = Tally((fact.plane, fact.hop, fact.decision, fact.reason) for fact in facts)
        for labels, count in counted.items():
            self._metrics.records.labels(*labels).inc(count)
        self._metrics.head.set(self._stream.head.seq)


def _scrape(fact: Fact) -> bool:
    """Prometheus, every second, of every workload: what an audit policy leaves out on any cluster. A refused one counts."""
    return fact.decision == ALLOWED and fact.resource == "/metrics" and fact.actor in _PROMETHEUS


def _own(verb: str, resource: str, reason: str, decision: str = ERROR) -> Fact:
    """What the stream says of itself."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    me = places.AUDIT
    return Fact(now, "control", me, "", "", me, "", verb, "", resource, decision, 0, "", reason, "")


def _when(fact: Fact) -> str:
    return fact.time


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
