"""ConfigMap config-gc and a Configuration's Revisions → those that are deleted.

Source: knative/serving, pkg/gc/config.go and pkg/reconciler/gc/gc.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..objects.kinds import Key
from ..objects.meta import Object, annotations_of
from ..objects.names import KN_NO_GC, KN_ROUTING_STATE_MODIFIED
from ..objects.times import seconds
from . import routing_state
from .autoscaling import literals
from .autoscaling.literals import Seconds

KEY = Key("knative-serving", "config-gc")
_INT64 = 2**63 - 1


@dataclass(frozen=True)
class Config:
    """None: that limit is disabled."""

    retain_since_create_time: Seconds | None = 48 * 3600.0
    retain_since_last_active_time: Seconds | None = 15 * 3600.0
    min_non_active_revisions: int = 20
    max_non_active_revisions: int | None = 1000

    @classmethod
    def of(cls, found: Object | None) -> Config:
        """What the ConfigMap says; where there is none, upstream's defaults."""
        return cls.parse((found or {}).get("data") or {})

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Config:
        """Raises ValueError, in upstream's words, for the first value that cannot be."""
        made = cls(
            _span(data, "retain-since-create-time", cls.retain_since_create_time),
            _span(data, "retain-since-last-active-time", cls.retain_since_last_active_time),
            _least(data, "min-non-active-revisions", cls.min_non_active_revisions),
            _most(data, "max-non-active-revisions", cls.max_non_active_revisions),
        )
        least, most = made.min_non_active_revisions, made.max_non_active_revisions
        if least < 0:
            raise ValueError(f"min-non-active-revisions must be non-negative, was: {least}")
        if most is not None and least > most:
            raise ValueError(f"min-non-active-revisions({least}) must be <= max-non-active-revisions({most})")
        return made


def collected(config: Config, configuration: Object, revisions: list[Object], now: Seconds) -> list[str]:
    """The names of those that go. `revisions` are the Configuration's, `now` is seconds since the epoch.

    Of those that no route leads to, the oldest first: all that are stale but for the least that stay, then what is above the most.
    """
    if (
        config.retain_since_create_time
        is config.retain_since_last_active_time
        is config.max_non_active_revisions
        is None
    ):
        return []
    ready = (configuration.get("status") or {}).get("latestReadyRevisionName")
    idle = sorted((one for one in revisions if not _is_active(one, ready)), key=_last_active)
    spare = max(0, len(idle) - config.min_non_active_revisions)
    stale = [one for one in idle if _is_stale(config, one, now)][:spare]
    kept = [one for one in idle if one not in stale]
    most = config.max_non_active_revisions
    over = kept[: max(0, len(kept) - most)] if most is not None and len(stale) < spare else []
    return [one["metadata"]["name"] for one in (*stale, *over)]


def _is_active(revision: Object, ready: str | None) -> bool:
    if revision["metadata"]["name"] == ready or annotations_of(revision).get(KN_NO_GC, "").lower() == "true":
        return True
    return routing_state.state(revision) != routing_state.RESERVE


def _is_stale(config: Config, revision: Object, now: Seconds) -> bool:
    since_create, since_active = config.retain_since_create_time, config.retain_since_last_active_time
    if since_create is None and since_active is None:
        return False
    if since_create is not None and now - seconds(revision["metadata"]["creationTimestamp"]) < since_create:
        return False
    return since_active is None or now - _last_active(revision) >= since_active


def _last_active(revision: Object) -> Seconds:
    changed = annotations_of(revision).get(KN_ROUTING_STATE_MODIFIED)
    return seconds(changed or revision["metadata"]["creationTimestamp"])


def _is_disabled(text: str) -> bool:
    return text.lower() == "disabled"


def _span(data: Mapping[str, str], key: str, default: Seconds | None) -> Seconds | None:
    text = data.get(key, "")
    if not text or _is_disabled(text):
        return None if text else default
    try:
        value = literals.duration(text)
    except ValueError as error:
        raise ValueError(f"failed to parse {key}: {error}") from None
    if value < 0:
        raise ValueError(f"failed to parse {key}: must be non-negative")
    return value


def _least(data: Mapping[str, str], key: str, default: int) -> int:
    if key not in data:
        return default
    try:
        return literals.integer(data[key], _INT64)
    except ValueError as error:
        raise ValueError(f'failed to parse data: failed to parse "{key}": {error}') from None


def _most(data: Mapping[str, str], key: str, default: int | None) -> int | None:
    text = data.get(key, "")
    if not text or _is_disabled(text):
        return None if text else default
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f'failed to parse {key}: strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)
