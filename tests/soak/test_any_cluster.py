"""Every scenario and notebook with a Target built from a kubeconfig's context and URLs, and the engines unimportable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iiab_lab.scenarios import SCENARIOS

from ..e2e.lab import Lab, running
from ..e2e.no_engines import elsewhere
from ..e2e.test_notebooks import NOTEBOOKS

ANYWHERE = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("anywhere") / "home") as lab:
        yield lab


def iiab(lab: Lab, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-m", "iiab_lab.cli", *words)
    return subprocess.run(argv, env=elsewhere(lab, folder), capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario(lab: Lab, name: str, tmp_path: Path) -> None:
    done = iiab(lab, tmp_path, "scenario", name, "--json")
    report = json.loads(done.stdout)
    assert report["engine"] == "cluster" and report["passed"], [c for c in report["checks"] if not c["passed"]]


@pytest.mark.parametrize("path", ANYWHERE, ids=lambda path: path.stem)
def test_a_notebook(lab: Lab, path: Path, tmp_path: Path) -> None:
    done = iiab(lab, tmp_path, "run", str(path), "--report", str(tmp_path / "out"))
    assert re.search(r"(\d+) of \1 checks passed in 1 notebook", done.stdout), done.stdout + done.stderr
