"""What the autoscalers hear and decide → lines of JSON in <home>/logs/autoscaler.jsonl, to be played again; and Knative's metrics.

The names are those of Knative's autoscaler since it speaks OpenTelemetry (kn_revision_…).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from ..objects.kinds import Key
from ..reconcile.ports import Measured
from ..rules.autoscaling.annotations import RPS
from ..rules.autoscaling.decider import Decision
from ..rules.autoscaling.settings import Settings

_LABELS = ("k8s_namespace_name", "kn_service_name", "kn_configuration_name", "kn_revision_name")


_MOST = 32 << 20


class FileJournal(Collector):
    """Of at most 64 MiB: the older half goes when the newer is full."""

    def __init__(self, file: Path, registry: CollectorRegistry) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._file = file, file.open("a", buffering=1)
        self._settings: dict[Key, Settings] = {}
        self._labels: dict[Key, tuple[str, ...]] = {}
        self._gauges: dict[Key, dict[str, float]] = {}
        registry.register(self)

    def close(self) -> None:
        self._file.close()

    def began(self, revision: Key, at: float, ready: int, settings: Settings) -> None:
        self._settings[revision] = settings
        self._write("began", revision, at, ready=ready, settings=asdict(settings))

    def changed(self, revision: Key, at: float, settings: Settings) -> None:
        self._settings[revision] = settings
        self._write("changed", revision, at, settings=asdict(settings))

    def heard(self, measured: Measured) -> None:
        """Seconds in which nothing happened are told too: an autoscaler counts them."""
        stats = [asdict(stat) for stat in measured.stats]
        self._write("heard", measured.revision, measured.at, pods=measured.pods, stats=stats)

    def ticked(self, revision: Key, at: float, ready: int, reachable: bool, decision: Decision) -> None:
        self._write("ticked", revision, at, ready=ready, reachable=reachable, decision=asdict(decision))
        settings = self._settings[revision]
        kind, unit = ("rps", "_per_second") if settings.metric == RPS else ("concurrency", "")
        self._gauges.setdefault(revision, {}).update(
            {
                f"kn_revision_{kind}_stable{unit}": decision.stable,
                f"kn_revision_{kind}_panic{unit}": decision.panic,
                f"kn_revision_{kind}_target{unit}": settings.target,
                "kn_revision_panic_mode": float(decision.panicking),
                "kn_revision_capacity_excess": decision.excess_burst_capacity,
            }
        )

    def counted(self, revision: Key, labels: Mapping[str, str], pods: Mapping[str, int]) -> None:
        self._labels[revision] = (
            revision.namespace,
            labels.get("serving.knative.dev/service", ""),
            labels.get("serving.knative.dev/configuration", ""),
            revision.name,
        )
        counts = {f"kn_revision_pods_{name}": float(count) for name, count in pods.items()}
        self._gauges.setdefault(revision, {}).update(counts)

    def forgot(self, revision: Key) -> None:
        for known in (self._settings, self._labels, self._gauges):
            known.pop(revision, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for revision, gauges in self._gauges.items():
            for name, value in gauges.items():
                family = families.setdefault(name, GaugeMetricFamily(name, "Of Knative's autoscaler.", labels=_LABELS))
                family.add_metric(self._labels.get(revision, (revision.namespace, "", "", revision.name)), value)
        yield from families.values()

    def _write(self, what: str, revision: Key, at: float, **said: Any) -> None:
        if self._file.tell() > _MOST:
            self._file.close()
            self._path.replace(self._path.with_suffix(".1.jsonl"))
            self._file = self._path.open("a", buffering=1)
        self._file.write(json.dumps({"is": what, "revision": str(revision), "at": at} | said) + "\n")
