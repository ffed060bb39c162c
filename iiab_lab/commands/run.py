"""`iiab run [NOTEBOOK …]`: notebooks through papermill → executed copies, a table of their checks, HTML and JUnit.

A notebook's checks are the Reports it shows: each carries itself as JSON among its outputs, so what is counted is what
the executed notebook holds. That a notebook runs to its end is a check too.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..assets import notebooks as folder
from ..errors import CheckFailed, UsageError
from ..scenarios.report import MIME, Check
from ._report_files import Run, write

_CELL_SECONDS = 600
_err = Console(stderr=True)


def run(notebooks: list[Path], report: Path | None) -> int:
    """Runs them in order, the next one even if one failed → 0, or CheckFailed's exit code."""
    paths = [_notebook(path) for path in notebooks] or sorted(folder().glob("*.ipynb"))
    os.environ["IIAB_HEADLESS"] = "1"  # kernels inherit it: plots stand still
    with tempfile.TemporaryDirectory() as scratch:
        out = report or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        runs = [_run(path, out) for path in paths]
        if report:
            write(runs, out)
    Console().print(_table(runs))
    _summarise(runs, report)
    return 0 if all(run.passed for run in runs) else CheckFailed.exit_code


def _notebook(path: Path) -> Path:
    if path.suffix != ".ipynb" or not path.is_file():
        known = " ".join(str(file) for file in sorted(folder().glob("*.ipynb")))
        raise UsageError(f"{path} is no notebook.", f"iiab run {known}")
    return path


def _run(path: Path, out: Path) -> Run:
    _err.print(f"▶ {path.stem}")
    began = time.monotonic()
    error = _execute(path, out / path.name)
    seconds = time.monotonic() - began
    checks = (*_checks(out / path.name), Check("runs to its end", "no error", error or "no error", not error))
    passed = sum(check.passed for check in checks)
    mark = "[green]✓[/]" if passed == len(checks) else "[bold red]✗[/]"
    _err.print(f"{mark} {path.stem}: {passed} of {len(checks)} checks in {seconds:.1f} s")
    return Run(path.stem, out / path.name, seconds, checks)


def _execute(path: Path, out: Path) -> str:
    """Papermill, in this process → "" or what went wrong and in which cell."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.reader import NotJSONError
    from traitlets.config import Config

    try:
        papermill.execute_notebook(
            path,
            out,
            cwd=path.parent,
            kernel_name="python3",  # the one of this environment, whatever the notebook was saved with
            progress_bar={"desc": path.stem, "leave": False} if sys.stderr.isatty() else False,
            execution_timeout=_CELL_SECONDS,
            config=Config(KernelManager={"transport_encryption": "auto"}),  # cells hold tokens
        )
    except papermill.PapermillExecutionError as error:
        return f"cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    except (NotJSONError, KeyError) as error:
        raise UsageError(f"{path} is no notebook: {error}", "open it in JupyterLab and save it") from error
    return ""


def _checks(path: Path) -> list[Check]:
    """Those of every Report the notebook shows; of a Report shown twice, the later."""
    import nbformat

    found: dict[str, dict[str, Any]] = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            report = output.get("data", {}).get(MIME)
            if report:
                found[report["scenario"]] = report
    return [Check(**check) for report in found.values() for check in report["checks"]]


def _table(runs: list[Run]) -> Table:
    table = Table("", "notebook", "check", "expected", "observed")
    for run in runs:
        for check in run.checks:
            mark = "[green]✓[/]" if check.passed else "[bold red]✗[/]"
            table.add_row(mark, run.name, check.name, check.expected, check.observed)
        table.add_section()
    return table


def _summarise(runs: list[Run], report: Path | None) -> None:
    checks = [check for run in runs for check in run.checks]
    passed, seconds = sum(check.passed for check in checks), sum(run.seconds for run in runs)
    colour = "green" if passed == len(checks) else "red"
    line = f"[bold {colour}]{passed} of {len(checks)} checks passed[/] in {len(runs)} notebook{'s' if len(runs) > 1 else ''}, {seconds:.0f} s."
    Console().print(line + (f" Read {report / 'report.html'}" if report else ""), soft_wrap=True)
