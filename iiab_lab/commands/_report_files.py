"""Executed notebooks → `report.html`, one page that needs no network, and `junit.xml` for a CI server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..scenarios.report import Check

_PLOTLY = "application/vnd.plotly.v1+json"


@dataclass(frozen=True)
class Run:
    """One executed notebook: where its copy is, how long it took, what it checked."""

    name: str
    path: Path
    seconds: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def write(runs: Sequence[Run], out: Path) -> None:
    (out / "junit.xml").write_bytes(junit(runs))
    (out / "report.html").write_text(html(runs))


def junit(runs: Sequence[Run]) -> bytes:
    """One suite per notebook, one case per check."""
    root = ElementTree.Element("testsuites")
    for run in runs:
        failures = sum(not check.passed for check in run.checks)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=run.name,
            tests=str(len(run.checks)),
            failures=str(failures),
            time=f"{run.seconds:.3f}",
        )
        for check in run.checks:
            case = ElementTree.SubElement(suite, "testcase", classname=run.name, name=check.name)
            if not check.passed:
                told = f"expected {check.expected}, observed {check.observed}"
                ElementTree.SubElement(case, "failure", message=told).text = check.evidence
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def html(runs: Sequence[Run]) -> str:
    """The table of checks, then every notebook, on one page."""
    import nbformat
    from nbconvert import HTMLExporter

    merged = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(_summary(runs))])
    for run in runs:
        merged.cells += nbformat.read(run.path, as_version=4).cells
    _embed_plots(merged)
    exporter: Any = HTMLExporter(template_name="lab")
    # What these name would be fetched from the network; nothing in our notebooks needs it.
    exporter.mathjax_url = exporter.require_js_url = exporter.widget_renderer_url = ""
    body: str = exporter.from_notebook_node(merged, {"metadata": {"name": "Inference-in-a-Box Lab"}})[0]
    return body


def _summary(runs: Sequence[Run]) -> str:
    rows = "".join(
        f"<tr><td>{'✓ passed' if check.passed else '<b>✗ failed</b>'}</td>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in (run.name, check.name, check.expected, check.observed))
        + "</tr>"
        for run in runs
        for check in run.checks
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "notebook", "check", "expected", "observed"))
    checks = [check for run in runs for check in run.checks]
    title = f"{sum(check.passed for check in checks)} of {len(checks)} checks passed"
    return f"# {title}\n\n<table><tr>{head}</tr>{rows}</table>"


def _embed_plots(notebook: Any) -> None:
    """Plotly's JSON → a division with its script; the library itself rides along once, with the first plot."""
    import plotly.io

    library = True
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            figure = output.get("data", {}).pop(_PLOTLY, None)
            if figure is None:
                continue
            output["data"]["text/html"] = plotly.io.to_html(
                figure, full_html=False, include_plotlyjs=library, include_mathjax=False, validate=False
            )
            library = False
