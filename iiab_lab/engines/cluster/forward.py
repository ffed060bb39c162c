"""Ports of this machine → Services of a cluster that has no address for them: `kubectl port-forward`, started again when it ends.

`python -m iiab_lab.engines.cluster.forward ARGV…` is the supervisor: each ARGV is one forward, as JSON. kubectl's ends with the
Pod it speaks to; this one goes on with the next Pod. It ends on SIGTERM, and its children with it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from typing import Any

import psutil

from .step import Argv
from .where import Where

# endpoint → (namespace, what is forwarded to, its port)
_SERVICES = {
    "management": ("default", "service/management-service", 80),
    "prometheus": ("monitoring", "service/prometheus", 9090),
    "alertmanager": ("monitoring", "service/lab-alertmanager", 9093),
}
_PAUSE, _END_SECONDS = 1.0, 5.0


def forwards(where: Where) -> list[Argv]:
    reach = ("kubectl", "--kubeconfig", str(where.kubeconfig), "--context", where.reached)
    return [
        (*reach, "port-forward", "--address", "127.0.0.1", "-n", space, service, f"{where.ports[name]}:{port}")
        for name, (space, service, port) in _SERVICES.items()
    ]


def start(where: Where) -> dict[str, Any]:
    """Starts the supervisor, which outlives this command → by what to find it again."""
    argv = [sys.executable, "-m", __name__, *(json.dumps(forward) for forward in forwards(where))]
    with open(where.home / "forward.log", "ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    return {"pid": process.pid, "started": psutil.Process(process.pid).create_time()}


def runs(known: dict[str, Any]) -> bool:
    return _find(known) is not None


def stop(known: dict[str, Any]) -> None:
    """Ends that very process, and no later one of its number."""
    process = _find(known)
    if process is not None:
        process.terminate()
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(_END_SECONDS)


def _find(known: dict[str, Any]) -> psutil.Process | None:
    with contextlib.suppress(KeyError, psutil.Error):
        process = psutil.Process(known["pid"])
        if abs(process.create_time() - known["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _keep(argv: list[str], told: threading.Event) -> None:
    while not told.is_set():
        with subprocess.Popen(argv) as child:
            while child.poll() is None and not told.wait(0.2):
                pass
            child.terminate()
        told.wait(_PAUSE)


def main() -> None:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    keepers = [threading.Thread(target=_keep, args=(json.loads(argv), told)) for argv in sys.argv[1:]]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join()


if __name__ == "__main__":
    main()
