"""What runs on a platform needs nothing but a kubeconfig's context and URLs: here with the engines unimportable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .lab import Lab
from .no_engines import elsewhere


@pytest.mark.parametrize("name", ["first-prediction", "publishing"])
def test_a_scenario_runs_with_a_context_and_urls_alone(lab: Lab, name: str, tmp_path: Path) -> None:
    words = (sys.executable, "-m", "iiab_lab.cli", "scenario", name, "--json")
    done = subprocess.run(words, env=elsewhere(lab, tmp_path), capture_output=True, text=True, timeout=240)
    report = json.loads(done.stdout)
    assert report["engine"] == "cluster" and report["passed"], [c for c in report["checks"] if not c["passed"]]


def test_the_engines_cannot_be_imported_there(lab: Lab, tmp_path: Path) -> None:
    words = (sys.executable, "-c", "import iiab_lab.engines.embedded.bootstrap")
    done = subprocess.run(words, env=elsewhere(lab, tmp_path), capture_output=True, text=True)
    assert "is not for what runs on a platform" in done.stderr
