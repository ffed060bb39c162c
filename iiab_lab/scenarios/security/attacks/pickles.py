"""A model is code: one is uploaded whose loading tries to reach everything that is not its own.

It is loaded once, by the model server, and says of each try what came of it. What a confined server may do, reading its own
libraries, is the control.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ....target import Target
from ..attack import CONFINEMENT, MODEL, Ask, Attack, Outcome
from ..stage import ABSENT, Stage

_SOURCE = "CWE-502; API10:2023"
_REFUSED = ("PermissionError", ABSENT)


def targets(target: Target) -> dict[str, tuple[str, object]]:
    """name → what to try: the files of this platform where it is on this machine, else where Kubernetes has them."""
    home = target.home or Path("/var/lib/kubelet")
    keys = sorted((home / "pki").glob("*key*")) if target.home else [Path("/etc/kubernetes/pki/ca.key")]
    sockets = sorted(Path("/tmp").glob("iiab-*/*.admin"))  # noqa: S108 - where proxies are told from
    ports = {name: urlsplit(url) for name, url in {**target.endpoints, "api": target.kube.server}.items()}
    return {
        "ca-key": ("read", str(keys[0] if keys else home / "pki" / "ca.key")),
        "ca-folder": ("list", str(keys[0].parent if keys else home / "pki")),
        "store": ("read", str(home / "store.db")),
        "kubeconfig": ("read", str(target.kubeconfig)),
        "home": ("list", str(home)),
        "pods": ("list", str(home / "pods")),
        "volumes": ("list", str(home / "volumes")),
        "passwords": ("read", "/etc/passwd"),
        "temporary-files": ("list", "/tmp"),  # noqa: S108
        "write-home": ("write", str(home / "catalogue-was-here")),
        "write-temporary": ("write", "/tmp/catalogue-was-here"),  # noqa: S108
        "link": ("link", str(home / "catalogue-was-here")),
        "api-server": ("tcp", ("127.0.0.1", ports["api"].port or 443)),
        "edge": ("tcp", ("127.0.0.1", ports["gateway"].port or 80)),
        "prometheus": ("tcp", ("127.0.0.1", ports["prometheus"].port or 9090)),
        "outside": ("tcp", ("203.0.113.1", 443)),
        "udp": ("udp", 53),
        "proxy-admin": ("unix", str(sockets[0]) if sockets else "/tmp/none.admin"),  # noqa: S108
        "signal": ("signal", 0),
        "environment": ("environment", 0),
        "shell": ("run", "/bin/sh"),
        "control": ("own", "/proc/self/status"),
    }


@dataclass(frozen=True)
class Attempt:
    """One line of what the hostile model reported."""

    name: str

    def __call__(self, stage: Stage) -> Outcome:
        said = stage.confessed(stage.hostile(targets).get(self.name, "not reported"))
        return Outcome(said, f"{said}, says the model of its try: {self.name}", (), CONFINEMENT)


def _try(name: str, tries: str, shared: bool = False) -> Attack:
    attempt, control, passes = Attempt(name), Attempt("control"), ("done",)
    return Attack(name, "pickles", _SOURCE, tries, attempt, (CONFINEMENT,), _REFUSED, control, passes, shared=shared)


ATTACKS = (
    _try("ca-key", "to read a CA's key"),
    _try("ca-folder", "to list the folder of keys"),
    _try("store", "to read the store, which holds every Secret"),
    _try("kubeconfig", "to read the administrator's kubeconfig"),
    _try("home", "to list the platform's files"),
    _try("pods", "to list other Pods' files"),
    _try("volumes", "to list other tenants' volumes"),
    _try("passwords", "to read /etc/passwd", shared=True),
    _try("temporary-files", "to list /tmp, where sockets are", shared=True),
    _try("write-home", "to write among the platform's files"),
    _try("write-temporary", "to write to /tmp", shared=True),
    _try("link", "to leave a link for somebody else to follow"),
    _try("api-server", "to connect to the Kubernetes API"),
    _try("edge", "to connect to the edge"),
    _try("prometheus", "to connect to Prometheus"),
    _try("outside", "to connect out of the platform", shared=True),
    _try("udp", "to ask a name server", shared=True),
    _try("proxy-admin", "to connect to a proxy's admin socket"),
    _try("signal", "to signal its parent", shared=True),
    _try("environment", "to read its parent's environment"),
    _try("shell", "to start a shell", shared=True),
    Attack(
        "whole", "pickles", _SOURCE, "and afterwards the platform serves as before", Ask(), (MODEL,), ("200",),
        Ask("/v1/models/sklearn-iris", "GET"), says="predictions",
    ),
)  # fmt: skip
