"""Two platforms side by side: neither sees, reaches or stops the other."""

from __future__ import annotations

from pathlib import Path

from .lab import Lab, running
from .test_recovery import predict


def test_two_homes_run_at_once_and_a_token_of_one_is_nothing_to_the_other(lab: Lab, tmp_path: Path) -> None:
    with running(tmp_path / "other") as other:
        ours, theirs = lab.token("tenant-a"), other.token("tenant-a")
        assert not set(lab.status()["endpoints"].values()) & set(other.status()["endpoints"].values())
        assert predict(lab, ours) == predict(other, theirs) == 200
        assert predict(other, ours) == predict(lab, theirs) == 401
        other.iiab("down")
        assert predict(lab, ours) == 200
