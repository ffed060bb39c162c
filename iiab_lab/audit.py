"""The platform's audit stream → a DataFrame of who did what and how it was decided; and whether the stream is as it was written.

It is read where it lies, by whoever owns the platform's home. Of a cluster the management service gives the admin a copy;
`folder` names a copy that somebody has.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import NotRunning, UsageError
from .target import Target

if TYPE_CHECKING:
    import pandas

    from .services.audit.verify import Verdict
    from .traffic.management import Management

_CONTROLS = Path(__file__).parent / "scenarios" / "security" / "controls.yaml"
_CLAIMS = Path("volumes") / "audit"
_KEY = Path("audit-seal") / "key"
DECISIONS = ("allowed", "denied", "error")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Query:
    """`tenant` matches whose resource it was and whose the actor was; `since` is a time, ISO 8601, or an age: 90s, 10m, 2h, 7d."""

    tenant: str = ""
    actor: str = ""
    decision: str = ""
    since: str = ""
    request_id: str = ""

    def check(self) -> Query:
        """Raises UsageError."""
        if self.decision and self.decision not in DECISIONS:
            raise UsageError(f"No decision is called {self.decision!r}.", f"one of: {', '.join(DECISIONS)}")
        _moment(self.since)
        return self

    def fits(self, row: Mapping[str, Any]) -> bool:
        return (
            self.tenant in ("", row["tenant"], row["actor_tenant"])
            and self.actor in ("", row["actor"])
            and self.decision in ("", row["decision"])
            and self.request_id in ("", row["request_id"])
        )


def audit(
    target: Target | None = None,
    *,
    tenant: str = "",
    actor: str = "",
    decision: str = "",
    since: str = "",
    request_id: str = "",
    limit: int = 1000,
    hops: bool = False,
    folder: str | Path = "",
) -> pandas.DataFrame:
    """The newest `limit` requests that fit, oldest first; with `hops`, one row for each record of the stream.

    Columns: seq (of the record), time (UTC), plane (control, data), tenant (the namespace whose resource it was), actor,
    actor_tenant, verb, host, resource (no query), decision (allowed, denied, error), status (HTTP's; 0: no answer), layer (the
    hop that decided), policy, reason, request_id, hops. Raises UsageError, and NotRunning where there is no stream.
    """
    import pandas

    from .services.audit.requests import COLUMNS

    query = Query(tenant, actor, decision, since, request_id).check()
    with stream_of(target, folder) as stream:
        rows = newest(stream, query, limit, hops)
    frame = pandas.DataFrame(rows, columns=list(COLUMNS))
    frame["time"] = pandas.to_datetime(frame["time"], utc=True, errors="coerce", format="ISO8601")
    return frame


def verify_audit(target: Target | None = None, *, folder: str | Path = "") -> Verdict:
    """Reads every record; of a cluster the audit service does, which has the key. Raises NotRunning where there is no stream."""
    from .services.audit.verify import verify

    if not folder and (target := target or Target.connect()).home is None:
        return _admin(target).audit_verdict()
    with stream_of(target, folder) as place:
        key = (Path(folder) / "key") if folder else place.parent / _KEY
        return verify(place, bytes.fromhex(key.read_text()) if key.is_file() else None, copy=bool(folder))


def controls() -> pandas.DataFrame:
    """Controls of GDPR, HIPAA and SOC 2: framework, control, asks, evidence ("" for none), see (a command), missing."""
    import pandas
    import yaml

    return pandas.DataFrame(yaml.safe_load(_CONTROLS.read_text()))


def newest(folder: Path, query: Query, limit: int, hops: bool) -> list[dict[str, Any]]:
    """Rows as `audit` has them, from the newest segment back, as far as they are needed."""
    from .services.audit import requests

    begin = _moment(query.since)
    records: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for segment in requests.newest(folder):
        records = segment + records
        made = [requests.alone(record) for record in records] if hops else requests.joined(records)
        rows = [row for row in made if query.fits(row) and (begin is None or _time(row["time"]) >= begin)]
        # A request at the edge of what was read may have a hop before it: one more than asked for is not shown.
        if len(rows) > limit or (begin and segment and _time(segment[0]["time"]) < begin - timedelta(minutes=1)):
            break
    return rows[-limit:] if limit else []


@contextlib.contextmanager
def stream_of(target: Target | None, folder: str | Path = "") -> Iterator[Path]:
    """Where the stream lies, or a copy of it, which goes afterwards. Raises NotRunning where there is none."""
    if folder:
        yield _whole(Path(folder))
    elif (target := target or Target.connect()).home:
        yield _whole(target.home / _CLAIMS / "audit-stream")
    else:
        with tempfile.TemporaryDirectory(prefix="iiab-audit-") as copy:
            _admin(target).audit_copy(Path(copy))
            yield _whole(Path(copy))


def _whole(found: Path) -> Path:
    if not any(found.glob("*.jsonl")):
        raise NotRunning(
            f"There is no audit stream in {found}.", "start the platform: iiab up; or name a copy: --folder FOLDER"
        )
    return found


def _admin(target: Target) -> Management:
    from .traffic.management import Management

    return Management(target)


def _moment(since: str) -> datetime | None:
    if not since:
        return None
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", since):
        return datetime.now(UTC) - timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise UsageError(
            f"{since!r} is no time.", "write an age (90s, 10m, 2h, 7d) or a time: 2026-01-31T12:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # a hop that wrote no time
        return datetime.min.replace(tzinfo=UTC)
