"""Durations as Kubernetes objects write them (`1m30s`, `1.5s`, `500ms`) → Envoy's, in seconds."""

from __future__ import annotations

from functools import lru_cache

from ..rules.autoscaling.literals import duration


@lru_cache(maxsize=256)
def seconds(text: str) -> str:
    return f"{duration(text):.9f}".rstrip("0").rstrip(".") + "s"
