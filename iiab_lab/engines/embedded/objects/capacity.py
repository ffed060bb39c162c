"""What the activator has to know of a revision: who may take its requests, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """`limit` 0: none; `failure`: why it cannot come to be, "" where it may."""

    limit: int = 0
    timeout: float = 300.0
    backends: tuple[str, ...] = ()  # host:port of the Pods that are ready
    plain: bool = False  # they have no sidecar, or it takes no mutual TLS
    failure: str = ""
