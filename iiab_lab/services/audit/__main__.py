"""`python -m iiab_lab.services.audit --pods=FOLDER --api=FILE --stream=FOLDER --seal=FOLDER [--keys=FOLDER] [--port=8080]
[--days=30] [--total-mib=1024] [--segment-mib=16]`: follows the logs of the node until SIGTERM."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry

from .door import Door
from .shipper import Metrics, Shipper
from .stream import Limits, Stream

_EVERY = 0.25
_KEY = "key"
log = logging.getLogger("audit")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Prometheus asks every second."""


def main() -> int:
    asked = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    alone = _alone(asked.stream)
    limits = Limits(asked.segment_mib << 20, asked.days, asked.total_mib << 20)
    seal, registry = sealing_key(asked.seal), CollectorRegistry()
    stream = Stream(asked.stream, seal, limits)
    if stream.found:
        log.error("the stream is not as it was left: %s", stream.found)
    shipper = Shipper(stream, asked.pods, asked.api, Metrics(registry))
    own = os.environ.get(f"IIAB_PORT_{asked.port}")  # the embedded engine says which port on loopback stands for ours
    host, port = ("127.0.0.1", int(own)) if own else ("0.0.0.0", asked.port)  # noqa: S104 - a container's own namespace
    door = make_server(host, port, Door(asked.stream, seal, asked.keys, registry), _Server, _Quiet)
    threading.Thread(target=door.serve_forever, daemon=True, name="door").start()
    while not stop.wait(_EVERY):
        shipper.look()
    shipper.look()
    shipper.close()
    os.close(alone)
    return 0


def sealing_key(folder: Path) -> bytes:
    """Made once, 0600; it lies apart from the stream, so that a copy of the one is not a copy of the other."""
    file = folder / _KEY
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = folder / f"{_KEY}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write(secrets.token_hex(32))
        fresh.rename(file)
    return bytes.fromhex(file.read_text())


def _alone(folder: Path) -> int:
    """Two writers would break the chain: the second waits until the first has ended."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.audit", description=__doc__)
    parser.add_argument("--pods", type=Path, required=True, help="the folder with the logs of Pods: /var/log/pods")
    parser.add_argument("--api", type=Path, required=True, help="the API server's audit log")
    parser.add_argument("--stream", type=Path, required=True, help="the folder of the stream")
    parser.add_argument("--seal", type=Path, required=True, help="the folder of the key that seals it")
    keys = Path("/var/run/identity")
    parser.add_argument(
        "--keys", type=Path, default=keys, help="the folder of the identity service's key sets, for tenants' own view"
    )
    parser.add_argument("--port", type=int, default=8080, help="metrics, tenants' own view, the admin's copy")
    parser.add_argument("--days", type=float, default=30.0, help="a segment older than this goes")
    parser.add_argument("--total-mib", type=int, default=1024, help="beyond this the oldest segments go")
    parser.add_argument("--segment-mib", type=int, default=16, help="a segment ends after so much, and at midnight UTC")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
