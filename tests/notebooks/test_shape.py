"""Every notebook has the shape its readers rely on."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ALLOWED = {"iiab_lab", "pandas", "plotly"}
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def trees(path: Path) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in cells(path, "code")]


def test_its_name_orders_it(path: Path) -> None:
    assert path.name[:2].isdigit() and path.name[2] == "_"


def test_it_is_valid_and_tells_objectives_minutes_and_prerequisites(path: Path) -> None:
    nbformat.validate(nbformat.read(path, as_version=4))
    first = cells(path, "markdown")[0].source
    assert first.startswith("# ") and all(word in first for word in ("**You will**", "**Minutes:**", "**Before:**"))


def test_it_predicts_breaks_exercises_recaps_and_cleans_up(path: Path) -> None:
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    for part in ("**Predict:**", "## Exercise", "<details><summary>Solution</summary>", "## Recap", "## Clean up"):
        assert part in text, part


def test_cells_are_short_and_define_nothing(path: Path) -> None:
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= 12, cell.source
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    found = [node for tree in trees(path) for node in ast.walk(tree) if isinstance(node, defined)]
    assert [node for node in found if not isinstance(node, ast.Lambda)] == []


def test_it_imports_the_library_and_little_else(path: Path) -> None:
    names = set()
    for tree in trees(path):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    assert {name.split(".")[0] for name in names} <= ALLOWED
    assert {name for name in names if name.startswith("iiab_lab")} == {"iiab_lab"}


def test_it_has_one_cell_of_parameters(path: Path) -> None:
    tagged = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", ())]
    assert len(tagged) == 1
    assert all(isinstance(node, ast.Assign) for node in ast.parse(tagged[0].source).body)


def test_outputs_are_stored_only_where_they_are_checked(path: Path) -> None:
    for cell in cells(path, "code"):
        assert cell.execution_count is None
        assert not cell.outputs or "nbval-check-output" in cell.metadata.get("tags", ())


def test_a_report_is_shown_and_required(path: Path) -> None:
    sources = [cell.source for cell in cells(path, "code")]
    assert any(source.splitlines()[-1] == "report" for source in sources)
    assert "report.require();" in sources
