"""A scikit-learn model in a directory → a KServe model server (V1 and V2 protocols, /metrics, feedback).

`python -m iiab_lab.runtimes.sklearn --model_name=NAME --model_dir=DIR [--http_port=8080]`: the arguments of KServe's own
sklearnserver, which is not on PyPI; the model class is ours, everything else is the KServe SDK. A model is code: the server
opens its socket, confines itself, and only then loads it. `IIAB_WAIT_MS` in its environment makes each prediction
wait, `IIAB_WAIT_SLOTS` (1) of them at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import numpy
import uvicorn
from kserve import Model, ModelServer, model_server
from kserve.errors import InferenceError, InvalidInput, ModelMissingError
from kserve.model_server import parser
from kserve.protocol.infer_type import InferRequest, InferResponse
from kserve.protocol.rest.server import RESTServer
from kserve.utils.utils import get_predict_input, get_predict_response
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from ..services.listen import listening
from . import outcomes
from .confine import Confinement, confine

SUFFIXES = (".joblib", ".pkl", ".pickle")
_ESTIMATORS = (
    *("cluster", "compose", "decomposition", "discriminant_analysis", "ensemble", "feature_extraction"),
    *("feature_selection", "impute", "linear_model", "naive_bayes", "neighbors", "neural_network", "pipeline"),
    *("preprocessing", "svm", "tree"),
)
_EXPLICIT = ("model_name", "http_port", "enable_grpc")  # passed on here, whatever was parsed at import


class SklearnModel(Model):
    """One estimator; `predict` answers with classes or values, one per row, after `wait` seconds in which it does nothing.

    The wait stands for an accelerator: work that takes time and none of this machine's cores, for `slots` requests at once.
    """

    def __init__(self, name: str, directory: Path, wait: float = 0.0, slots: int = 1) -> None:
        super().__init__(name)
        self._directory, self._wait, self._slots = directory, wait, asyncio.Semaphore(slots)

    def load(self) -> bool:
        """Raises ModelMissingError unless the directory holds exactly one model file."""
        files = [file for file in self._directory.iterdir() if file.suffix in SUFFIXES]
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            raise ModelMissingError(f"{self._directory}: one {' or '.join(SUFFIXES)} file is needed, found {found}")
        self._estimator = joblib.load(files[0])
        self.ready = True
        return True

    async def predict(
        self, payload: dict[str, Any] | InferRequest, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        rows = self._rows(payload)
        if self._wait:
            async with self._slots:
                await asyncio.sleep(self._wait)
        try:
            result = self._estimator.predict(rows)
        except Exception as error:
            raise InferenceError(str(error)) from error
        outcomes.predicted(self.name, getattr(self._estimator, "classes_", None), result)
        return get_predict_response(payload, result, self.name)

    def _rows(self, payload: dict[str, Any] | InferRequest) -> Any:
        """A matrix as wide as the model was trained on; everything else is the caller's mistake, 400."""
        try:
            rows = numpy.asarray(get_predict_input(payload), dtype=float)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInput(f"instances must be rows of numbers: {error}") from error
        width = getattr(self._estimator, "n_features_in_", None)
        if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
            raise InvalidInput(f"instances must be rows of {width} numbers, not of shape {rows.shape}")
        return rows


def prepare() -> None:
    """What is the same for every model, ahead of it: the estimators that most are made of, and the whole application.

    For `iiab_lab.runtimes.warm`. FastAPI builds its routes at the first match, and scikit-learn asks every installed package
    for dataframes at the first check of rows: both are done here, so that no model's first request pays for them.
    """
    for name in _ESTIMATORS:
        import_module(f"sklearn.{name}")
    validate_data(BaseEstimator(), [[0.0]])
    _server()
    for route in model_server.app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "headers": []})
    os.register_at_fork(after_in_child=numpy.random.seed)


def suits(arguments: list[str]) -> bool:
    """Whether KServe, which parses `sys.argv` at import and makes its application by it, would make the same for these."""
    wanted, made = parser.parse_known_args(arguments)[0], model_server.args
    return all(vars(wanted)[name] == value for name, value in vars(made).items() if name not in _EXPLICIT)


def main() -> int:
    """Serves until SIGTERM; requests under way are answered first."""
    own = argparse.ArgumentParser(parents=[parser], add_help=False)
    own.add_argument("--model_dir", required=True, type=Path)
    arguments, _ = own.parse_known_args()
    socket = listening(arguments.http_port)
    try:
        wait, slots = float(os.environ.get("IIAB_WAIT_MS", 0)) / 1e3, int(os.environ.get("IIAB_WAIT_SLOTS", 1))
        model = SklearnModel(arguments.model_name, arguments.model_dir, wait, slots)
        confinement = _confine(arguments.model_dir)
        model.load()
    except Exception as error:  # a pickle may raise anything; the Pod's status shows these last words
        print(f"The model cannot be loaded: {error}", file=sys.stderr)
        return 1
    print(f"Confinement: {confinement}", flush=True)
    server, settings = _server()
    server.register_model(model)
    uvicorn.Server(settings).run(sockets=[socket])
    return 0


@cache
def _server() -> tuple[ModelServer, uvicorn.Config]:
    """KServe's application without a model, and what uvicorn is told; everything that uvicorn imports is loaded."""
    server = ModelServer(enable_grpc=False)
    rest = RESTServer("kserve.model_server:app", server.dataplane, server.model_repository_extension, 0)
    rest.create_application()
    outcomes.serve_feedback(server, model_server.app)
    rest.config.load()
    rest.config.get_loop_factory()
    return server, rest.config


def _confine(directory: Path) -> Confinement:
    """TMPDIR is a container's own; a server that has none writes nowhere."""
    scratch = [Path(folder)] if (folder := os.environ.get("TMPDIR")) else []
    return confine([directory], scratch)


if __name__ == "__main__":
    sys.exit(main())
