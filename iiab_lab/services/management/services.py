"""Everything a route may use, made once: the composition of this service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from .admin import Admin
from .callers import Callers
from .edge import Edge
from .login import Login
from .models import Models
from .platform import Object, Platform
from .predict import Predictor
from .published.publisher import Publisher
from .registry.address import Addresses
from .registry.registry import Limits, Registry
from .registry.store import Store
from .trail import Trail
from .usage import LastUse, Prometheus


@dataclass
class Services:
    platform: Platform
    callers: Callers
    edge: Edge
    login: Login
    models: Models
    predictor: Predictor
    publisher: Publisher
    prometheus: Prometheus
    last_use: LastUse
    admin: Admin
    registry: Registry
    trail: Trail
    attempts: Any = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))
    history: dict[str, list[Object]] = field(default_factory=dict)  # caller → its latest tests


def compose(
    platform: Platform, default_namespace: str, volume: Path, limits: Limits, now: Callable[[], float] = time.time
) -> Services:
    """`volume` is where the registry of uploaded models lies."""
    callers, edge = Callers(platform), Edge(platform)
    store, addresses = Store(volume), Addresses(volume)
    models = Models(platform, callers, default_namespace, addresses.is_own)
    return Services(
        platform,
        callers,
        edge,
        Login(platform, edge),
        models,
        Predictor(platform, edge, callers),
        Publisher(platform, edge, callers, models, now),
        Prometheus(platform),
        LastUse(platform),
        Admin(platform, callers, edge),
        Registry(platform, models, store, addresses, limits),
        Trail(platform),
    )


def expire(publisher: Publisher, stop: threading.Event) -> None:
    """Closes keys and doors as their time comes; blocks until `stop` and a change."""
    while not stop.is_set():
        wait = publisher.expire()
        with publisher.changed:
            publisher.changed.wait(60.0 if wait is None else min(wait + 0.05, 60.0))
