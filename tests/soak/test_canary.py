"""The scenario as a user runs it, three quarters of a minute under load: every check holds, and nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

from ..e2e.lab import running


def test_a_good_version_is_promoted_and_a_bad_one_taken_back_by_themselves(tmp_path: Path) -> None:
    with running(tmp_path / "home") as lab:
        said = json.loads(lab.iiab("scenario", "canary", "--json").stdout)
        checks = {check["name"]: check["observed"] for check in said["checks"]}
        assert said["passed"], [check for check in said["checks"] if not check["passed"]]
        assert (checks["v1 → v2 ends by itself"], checks["v1 → v3 ends by itself"]) == ("promoted", "rolled back")
        assert checks["v2: requests lost meanwhile"] == "0" and len(checks) >= 16
        left = lab.kubectl(
            "get", "isvc,httproutes,securitypolicies,pods,revisions", "-n", "tenant-a", "-o", "name"
        ).stdout
        assert [name for name in left.split() if "/iris" in name] == []
