"""`python -m iiab_lab.services.identity [--port=8080]`: serves until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
import threading

import uvicorn
from kubernetes import client, config

from ..account import connect
from ..audited import Audited
from ..listen import listening
from .app import application
from .clients import Clients
from .keys import KeyRing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.identity", description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    core = client.CoreV1Api(connect())
    keys = KeyRing(core, _namespace())
    clients = Clients(core, keys, _namespace())
    threading.Thread(target=clients.follow, daemon=True, name="namespaces").start()
    threading.Thread(target=keys.follow, args=(clients.publish,), daemon=True, name="keys").start()
    app = Audited(application(keys, clients), silent=("/healthz", "/metrics"))
    settings = uvicorn.Config(app, access_log=False, log_level="warning")
    uvicorn.Server(settings).run(sockets=[listening(arguments.port)])
    clients.stop()
    keys.stop()
    return 0


def _namespace() -> str:
    """The one this service runs in: of the kubeconfig's context, else of the mounted account."""
    try:
        _, active = config.list_kube_config_contexts()
        return str(active["context"].get("namespace", "identity"))
    except config.ConfigException:
        with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace") as file:
            return file.read()


if __name__ == "__main__":
    sys.exit(main())
