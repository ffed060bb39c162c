"""`python -m iiab_lab.services.management [--port=8080] [--default-namespace=tenant-a]`: serves until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
import threading

import uvicorn

from ..listen import listening
from .app import application
from .platform import Platform, connect
from .services import compose, expire


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.management", description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--default-namespace", default="tenant-a", help="where an admin's models go that name none")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    services, stop = compose(Platform(connect()), arguments.default_namespace), threading.Event()
    for work, name in ((services.last_use.follow, "last-use"), (lambda: expire(services.publisher, stop), "expiry")):
        threading.Thread(target=work, daemon=True, name=name).start()
    settings = uvicorn.Config(application(services), access_log=False, log_level="warning", proxy_headers=False)
    uvicorn.Server(settings).run(sockets=[listening(arguments.port)])
    stop.set()
    services.last_use.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
