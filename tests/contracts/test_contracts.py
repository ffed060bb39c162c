"""The shape of the house: who may import whom, what a controller looks like, how long a file may grow."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import iiab_lab

PACKAGE = Path(iiab_lab.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(file for file in PACKAGE.rglob("*.py") if "__pycache__" not in file.parts)
CONTROLLERS = sorted((PACKAGE / "engines" / "embedded" / "controllers").glob("[a-z]*.py"))
MOST, MOST_CONTROLLER, MOST_FUNCTION = 400, 250, 50


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "0 broken" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("file", CONTROLLERS, ids=lambda file: file.stem)
def test_a_controller_has_the_shape_of_the_others(file: Path) -> None:
    tree = ast.parse(file.read_text())
    said = ast.get_docstring(tree) or ""
    places = [said.find(f"\n{word}:") for word in ("Reads", "Writes", "Wakes")]
    assert -1 not in places and places == sorted(places), "docstring: Reads, Writes, Wakes"
    assert len(file.read_text().splitlines()) <= MOST_CONTROLLER
    module = importlib.import_module(f"iiab_lab.engines.embedded.controllers.{file.stem}")
    made = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    running = [c for c in made if hasattr(c, "reconcile")]
    assert len(running) == 1 and inspect.iscoroutinefunction(running[0].reconcile)
    assert isinstance(running[0].name, str)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_files_and_functions_stay_short_and_say_what_they_are(file: Path) -> None:
    text = file.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= MOST
    assert ast.get_docstring(tree) or not tree.body, "a module opens with what it turns into what"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MOST_FUNCTION, node.name


def test_nothing_is_left_for_later() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    skips = ("pytest.mark.sk" + "ip", "pytest.mark.xf" + "ail", "pytest.sk" + "ip(")
    texts = {file: file.read_text() for folder in (PACKAGE, ROOT / "tests") for file in folder.rglob("*.py")}
    assert [file for file, text in texts.items() if any(word in text for word in (*words, *skips))] == []


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["scenario", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = ("kserve", "papermill", "pandas", "plotly", "ipywidgets", "kubernetes", "sklearn", "requests", "yaml")
    program = f"import sys; sys.argv = ['iiab', *{words!r}]\nfrom iiab_lab.cli import main\ntry: main()\nexcept SystemExit: pass\nprint([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == "[]" and "Usage" in done.stdout


def test_every_command_of_the_readme_exists_and_every_command_is_in_the_readme() -> None:
    from typer.main import get_command

    from iiab_lab.cli import app

    readme = (ROOT / "README.md").read_text()
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    told = {line.split()[2].rstrip("`") for line in readme.splitlines() if line.startswith("| `iiab ")}
    assert told == commands
