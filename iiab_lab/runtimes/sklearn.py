"""A scikit-learn model in a directory → a KServe model server (V1 and V2 protocols, /metrics).

`python -m iiab_lab.runtimes.sklearn --model_name=NAME --model_dir=DIR [--http_port=8080]`: the arguments of KServe's own
sklearnserver, which is not on PyPI; the model class is ours, everything else is the KServe SDK. A model is code: the server
opens its socket, confines itself, and only then loads it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy
from kserve import Model, ModelServer
from kserve.errors import InferenceError, InvalidInput, ModelMissingError
from kserve.model_server import parser
from kserve.protocol.infer_type import InferRequest, InferResponse
from kserve.protocol.rest.server import RESTServer
from kserve.utils.utils import get_predict_input, get_predict_response

from ..services.listen import listening
from .confine import Confinement, confine

SUFFIXES = (".joblib", ".pkl", ".pickle")


class SklearnModel(Model):
    """One estimator; `predict` answers with classes or values, one per row."""

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name)
        self._directory = directory

    def load(self) -> bool:
        """Raises ModelMissingError unless the directory holds exactly one model file."""
        files = [file for file in self._directory.iterdir() if file.suffix in SUFFIXES]
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            raise ModelMissingError(f"{self._directory}: one {' or '.join(SUFFIXES)} file is needed, found {found}")
        self._estimator = joblib.load(files[0])
        self.ready = True
        return True

    def predict(
        self, payload: dict[str, Any] | InferRequest, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        rows = self._rows(payload)
        try:
            result = self._estimator.predict(rows)
        except Exception as error:
            raise InferenceError(str(error)) from error
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


def main() -> int:
    """Serves until SIGTERM; requests under way are answered first."""
    parser.add_argument("--model_dir", required=True, type=Path)
    arguments, _ = parser.parse_known_args()
    model, socket = SklearnModel(arguments.model_name, arguments.model_dir), listening(arguments.http_port)
    try:
        confinement = _confine(arguments.model_dir)
        model.load()
    except Exception as error:  # a pickle may raise anything; the Pod's status shows these last words
        print(f"The model cannot be loaded: {error}", file=sys.stderr)
        return 1
    print(f"Confinement: {confinement}", flush=True)
    server = ModelServer(http_port=arguments.http_port, enable_grpc=False)
    server.register_model(model)
    rest = RESTServer(
        "kserve.model_server:app", server.dataplane, server.model_repository_extension, arguments.http_port
    )
    rest.run(sockets=[socket])
    return 0


def _confine(directory: Path) -> Confinement:
    """TMPDIR is a container's own; a server that has none writes nowhere."""
    scratch = [Path(folder)] if (folder := os.environ.get("TMPDIR")) else []
    return confine([directory], scratch)


if __name__ == "__main__":
    sys.exit(main())
