"""Inside the mesh: another tenant's model, called by a workload of one's own, with its certificate and without."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from ...security import wire
from ...security.attack import ACTIVATOR, SIDECAR, TIER_2, Ask, Outcome
from ..estate import Estate
from ..row import Attempt, Of, Row

ROAD = "network"
_PATH, _HOST = "/v1/models/<victim>:predict", "<victim>.<owner>.example.com"
_REVISION = (("knative-serving-namespace", "<owner>"), ("knative-serving-revision", "<victim>-predictor-00001"))
_LOOK, _PATIENCE = 0.1, 2.0
_RIGHT = {SIDECAR: "ingress", TIER_2: "edge", ACTIVATOR: "ingress"}


@dataclass(frozen=True)
class Called(Attempt):
    """A prediction straight at a door of the mesh. `shows`: "" the certificate of the caller's own workloads."""

    door: str
    shows: str
    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        shown = self.shows or estate.identity(self.actor)
        door = f"{SIDECAR} of {self.owner}" if self.door == SIDECAR else self.door
        headers = _REVISION if self.door == ACTIVATOR else ()
        since = datetime.now(UTC)
        outcome = Of(
            self.owner, Ask(_PATH, bearer="", host=_HOST, headers=headers, door=door, shows=shown, patience=3)
        )(estate)
        return self._cut(estate, outcome, shown, since) if outcome.status == wire.CLOSED else outcome

    def _cut(self, estate: Estate, outcome: Outcome, shown: str, since: datetime) -> Outcome:
        """Before there was a request: the sidecar's line about the connection tells of whom."""
        namespace, pod = estate.namespaces[self.owner], estate.pods[self.owner]
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            said = estate.target.kube.log(namespace, pod, container="istio-proxy", tailLines="100")
            for line in reversed([json.loads(text) for text in said.splitlines() if '"connect"' in text]):
                if line.get("peer") == shown and datetime.fromisoformat(line["time"]) >= since:
                    return replace(outcome, said=f"{line['details']}", layer=SIDECAR)
            time.sleep(_LOOK)
        return outcome


def _row(door: str, what: str, *statuses: str, shows: str = "") -> Row:
    return Row(ROAD, what, partial(Called, door, shows), (door,), statuses, partial(Called, door, _RIGHT[door]))


ROWS = (
    _row(SIDECAR, "its Pod, by a certificate of one's own", "403", "closed"),
    _row(TIER_2, "the ingress of the mesh, by a certificate of one's own", "403"),
    _row(ACTIVATOR, "the activator, by a certificate of one's own", "403"),
)
