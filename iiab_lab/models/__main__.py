"""`python -m iiab_lab.models NAME --output=DIR`: trains a sample model from real, bundled data and writes it as KServe
reads it (`model.joblib`), with `report.json` beside it; of `iris`, each version into a folder of its own. Whole or not at
all: a reader never sees half a model."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib

from . import iris, wine
from .versions import VERSIONS

Trained = Callable[[], tuple[Any, dict[str, Any]]]

# name → what is trained, by the folder it is written to below DIR
MODELS: dict[str, Mapping[str, Trained]] = {
    "sklearn-iris": {"": iris.train},
    "sklearn-wine": {"": wine.train},
    "iris": VERSIONS,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.models", description="Trains a sample model.")
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR")
    arguments = parser.parse_args()
    for folder, train in MODELS[arguments.name].items():
        estimator, report = train()
        write(arguments.output / folder, estimator, report)
        print(json.dumps(report))
    return 0


def write(output: Path, estimator: object, report: dict[str, object]) -> None:
    fresh = output.with_name(f".{output.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    joblib.dump(estimator, fresh / "model.joblib")
    (fresh / "report.json").write_text(json.dumps(report, indent=2))
    shutil.rmtree(output, ignore_errors=True)
    fresh.rename(output)


if __name__ == "__main__":
    sys.exit(main())
