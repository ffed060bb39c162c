"""`python -m iiab_lab.services.management --registry=FOLDER [--most-upload-mib=256] [--port=8080] [--default-namespace=tenant-a]`:
serves until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from pathlib import Path

import uvicorn

from ..account import connect
from ..audited import Audited
from ..listen import listening
from .app import application
from .platform import Platform
from .registry.registry import Limits
from .services import compose, expire

_TENANT = 16  # a tenant keeps at most so many times what one upload may be


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.management", description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--default-namespace", default="tenant-a", help="where an admin's models go that name none")
    parser.add_argument("--registry", type=Path, required=True, metavar="FOLDER", help="where uploaded models are kept")
    parser.add_argument("--most-upload-mib", type=int, default=256, choices=range(1, 2049), metavar="1..2048")
    arguments = parser.parse_args()
    limits = Limits(arguments.most_upload_mib << 20, _TENANT * arguments.most_upload_mib << 20)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    services = compose(Platform(connect()), arguments.default_namespace, arguments.registry, limits)
    stop = threading.Event()
    for work, name in ((services.last_use.follow, "last-use"), (lambda: expire(services.publisher, stop), "expiry")):
        threading.Thread(target=work, daemon=True, name=name).start()
    app = Audited(application(services), silent=("/health", "/metrics"))
    settings = uvicorn.Config(app, access_log=False, log_level="warning", proxy_headers=False)
    uvicorn.Server(settings).run(sockets=[listening(arguments.port)])
    stop.set()
    services.last_use.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
