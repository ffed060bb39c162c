"""The notebooks as users and CI run them: `iiab run`, papermill's parameters, nbval; and a notebook that fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from .lab import Lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Minutes of load on both cores: `make demo` and `make soak` run them.
LONG = {"03_security", "04_autoscaling", "05_release", "06_tenancy"}
SHORT = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in LONG)


@pytest.fixture(scope="session")
def nbval(lab: Lab) -> str:
    """The first time: what is stored in the notebooks is what comes out again."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "--nbval-lax", "--no-header", *map(str, SHORT)],
        env=lab.environment | {"IIAB_HEADLESS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def report(nbval: str, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every notebook but the long ones, a second time: it finds what the first left."""
    out = tmp_path_factory.mktemp("report")
    done = lab.iiab("run", *map(str, SHORT), "--report", str(out))
    assert re.search(r"(\d+) of \1 checks passed in \d notebooks", done.stdout)
    return out


def test_what_is_stored_in_the_notebooks_comes_out_again(nbval: str) -> None:
    assert re.search(r"\d+ passed", nbval), nbval


def test_every_notebook_is_executed_and_none_of_its_cells_failed(report: Path) -> None:
    for path in SHORT:
        cells = nbformat.read(report / path.name, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code if cell.source)
        assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]


def test_every_plot_has_lines_with_points_and_axes_with_units(report: Path) -> None:
    plots = [
        output.data["application/vnd.plotly.v1+json"]
        for path in sorted(report.glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", ())
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert len(plots) >= 5
    for plot in plots:
        assert any(len(trace.get("x", ())) for trace in plot["data"]), plot["layout"]["title"]
        assert plot["layout"]["xaxis"]["title"]["text"], plot["layout"]["title"]


def test_the_page_needs_no_network(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "checks passed" in page and "Plotly.newPlot" in page
    outer = re.sub(r"<script[^>]*>.*?</script>", lambda found: found[0].split(">")[0], page, flags=re.S)
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](https?:[^"']+)""", outer) == []


def test_junit_has_a_case_per_check(report: Path) -> None:
    suites = ElementTree.parse(report / "junit.xml").getroot()
    assert {suite.get("name") for suite in suites} == {path.stem for path in SHORT}
    assert all(suite.get("failures") == "0" and int(suite.get("tests", 0)) == len(suite) > 1 for suite in suites)


def test_they_run_where_kubectl_is_not_installed(lab: Lab) -> None:
    done = lab.iiab("run", str(NOTEBOOKS / "00_start.ipynb"), IIAB_KUBECTL="builtin")
    assert "5 of 5 checks passed" in done.stdout


def notebook(path: Path, *sources: str) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in sources]), path)
    return path


def test_a_failed_check_fails_the_run_and_is_in_the_report(lab: Lab, tmp_path: Path) -> None:
    made = (
        'from iiab_lab import Report\nreport = Report("wrong", "embedded")\nreport.add("sum", 4, 2 + 3, False)\nreport'
    )
    good = notebook(tmp_path / "02_good.ipynb", made.replace("3, False", "2, True"))
    bad = notebook(tmp_path / "01_bad.ipynb", made, "report.require()", "print('never')")
    done = lab.iiab("run", str(bad), str(good), "--report", str(tmp_path / "out"), check=False)
    assert done.returncode == 1 and "2 of 4 checks passed" not in done.stderr
    suites = {s.get("name"): s for s in ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()}
    assert suites["01_bad"].get("failures") == "2" and suites["02_good"].get("failures") == "0"
    assert "cell 2: CheckFailed: wrong: sum: expected 4, observed 5" in (tmp_path / "out" / "junit.xml").read_text()
    assert "✗ failed" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("name", ["missing.ipynb", "README.md", "no.ipynb"])
def test_what_is_no_notebook_is_told_apart(lab: Lab, tmp_path: Path, name: str) -> None:
    (tmp_path / "no.ipynb").write_text("not JSON")
    (tmp_path / "README.md").write_text("# words")
    done = lab.iiab("run", str(tmp_path / name), check=False)
    assert done.returncode == 2 and "is no notebook" in done.stderr and "→" in done.stderr
