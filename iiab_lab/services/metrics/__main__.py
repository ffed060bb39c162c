"""`python -m iiab_lab.services.metrics [--port=8080]`: serves until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from ..account import connect
from ..audited import Audited
from ..listen import listening
from ..management.callers import Callers
from ..management.platform import Platform
from ..management.usage import Prometheus
from .app import application
from .upstream import Upstream


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.metrics", description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    platform = Platform(connect())
    app = Audited(application(Callers(platform), Upstream(Prometheus(platform).url)), silent=("/health",))
    settings = uvicorn.Config(app, access_log=False, log_level="warning", proxy_headers=False)
    uvicorn.Server(settings).run(sockets=[listening(arguments.port)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
