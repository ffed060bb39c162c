"""A CA of the platform → another in its place while requests go on: at no moment does one side show what the other does not trust.

Five phases, each awaited where it has to hold: the old root is remembered; a new one is made, and both are trusted; every proxy
and every file says so; all certificates are issued anew; the old root is forgotten. What a phase finds done already it
leaves, so a rotation that was broken off goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ...errors import NotReady, UsageError
from ...kube import Kube, Object
from ...renewal import CERTIFICATES, renewed
from ..home import locked
from . import in_force
from .bootstrap import Progress
from .objects.kinds import Key
from .rules.certificates import text

_NAMESPACE, _LOOK = "cert-manager", 0.05


class Scope(NamedTuple):
    """`root` names the Certificate and its Secret, `issuer` the ClusterIssuer; then the bundle's ConfigMap and its entry."""

    root: str
    issuer: str
    bundle: str
    entry: str


SCOPES = {
    "edge": Scope("lab-root-ca", "lab-ca", "lab-ca", "ca.crt"),
    "mesh": Scope("mesh-root-ca", "mesh-ca", "istio-ca-root-cert", "root-cert.pem"),
}


def rotate(home: Path, which: str, progress: Progress, keep_old: bool = False, timeout: float = 60) -> dict[str, float]:
    """`which`: edge or mesh → seconds that each phase took. `keep_old` ends while both roots are trusted; again, it ends it.

    Raises UsageError for another name, NotReady where a phase does not come to its end in time.
    """
    if which not in SCOPES:
        raise UsageError(f"There is no CA {which!r} to rotate.", f"iiab rotate-ca {'|'.join(SCOPES)}")
    with locked(home):
        rotation, took = _Rotation(home, SCOPES[which], timeout), {}
        for name, why, phase in rotation.phases()[: 4 if keep_old else 5]:
            began = time.monotonic()
            progress(name, why)
            phase()
            progress(name, "")
            took[name] = time.monotonic() - began
    return took


class _Rotation:
    def __init__(self, home: Path, scope: Scope, timeout: float) -> None:
        self._home, self._scope, self._timeout = home, scope, timeout
        self._kube = Kube(home / "kubeconfig")

    def phases(self) -> list[tuple[str, str, Callable[[], None]]]:
        return [
            ("remember", "the old root stays trusted whatever comes", self._remember),
            ("new root", "made, and in every bundle beside the old one", self._make),
            ("trust", "every proxy and every file has both", lambda: self._until(self._distrust)),
            ("sign", "all certificates anew, by the new root", self._sign),
            ("forget", "the old root goes, and what it signed with it", self._forget),
        ]

    def _remember(self) -> None:
        if self._previous() is None:
            meta = {"name": f"{self._scope.root}-previous", "namespace": _NAMESPACE}
            data = {self._scope.entry: self._root()}
            self._kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

    def _make(self) -> None:
        if self._root() == self._previous():
            renewed(self._kube, self._scope.root, _NAMESPACE, self._timeout)
        self._until(self._unbundled)

    def _sign(self) -> None:
        for certificate in self._issued():
            meta = certificate["metadata"]
            if _is_by(self._chain(certificate), self._previous() or ""):
                renewed(self._kube, meta["name"], meta["namespace"], self._timeout)
        self._until(self._shows_old)

    def _forget(self) -> None:
        path = self._kube.path("v1", "ConfigMap", _NAMESPACE, f"{self._scope.root}-previous")
        old = self._previous() or ""
        self._kube.raw("DELETE", path)
        self._until(lambda: self._unbundled() or self._trusts(old))

    # What does not hold yet, or "".

    def _unbundled(self) -> str:
        wanted = self._bundle()
        behind = [one for one in self._bundles() if one["data"].get(self._scope.entry) != wanted]
        return f"the bundle in {behind[0]['metadata']['namespace']}" if behind else self._unwritten()

    def _unwritten(self) -> str:
        """A file in which somebody looks for whom to trust, or for what to show."""
        if self._scope is SCOPES["edge"] and (self._home / "ca.crt").read_text() != self._bundle():
            return "ca.crt in the home"
        return next((str(file) for file, wanted in self._mounted() if not _says(file, wanted)), "")

    def _distrust(self) -> str:
        old, new = self._previous() or "", self._root()
        for proxy in in_force.everywhere(self._home):
            if any((old in one) and (new not in one) for one in proxy.trusted):
                return "a proxy that trusts the old root alone"
        return ""

    def _shows_old(self) -> str:
        old = self._previous() or ""
        for proxy in in_force.everywhere(self._home):
            if late := [name for name, chain in proxy.shown.items() if _is_by(chain, old)]:
                return f"a proxy that shows {late[0]} by the old root"
        return self._unwritten()

    def _trusts(self, old: str) -> str:
        trusting = any(old in one for proxy in in_force.everywhere(self._home) for one in proxy.trusted)
        return "a proxy that trusts the old root" if trusting else ""

    def _until(self, late: Callable[[], str]) -> None:
        deadline = time.monotonic() + self._timeout
        while why := late():
            if time.monotonic() > deadline:
                raise NotReady(
                    f"The rotation still waits for {why}.", "look at: iiab status; then run the same command again"
                )
            time.sleep(_LOOK)

    # What there is

    def _root(self) -> str:
        secret = self._kube.get("v1", "Secret", self._scope.root, _NAMESPACE)
        if secret is None:
            raise NotReady(f"There is no Secret {_NAMESPACE}/{self._scope.root}.", "iiab up")
        return text(secret, "tls.crt")

    def _previous(self) -> str | None:
        found = self._kube.get("v1", "ConfigMap", f"{self._scope.root}-previous", _NAMESPACE)
        return str(found["data"][self._scope.entry]) if found else None

    def _bundle(self) -> str:
        now, before = self._root(), self._previous() or ""
        return now + before if before != now else now

    def _bundles(self) -> list[Object]:
        found = self._kube.list("v1", "ConfigMap")
        return [one for one in found if one["metadata"]["name"] == self._scope.bundle]

    def _issued(self) -> list[Object]:
        found = self._kube.list(*CERTIFICATES)
        return [
            one
            for one in found
            if (one["spec"]["issuerRef"].get("kind"), one["spec"]["issuerRef"]["name"])
            == ("ClusterIssuer", self._scope.issuer)
        ]

    def _chain(self, certificate: Object) -> str:
        name, namespace = certificate["spec"]["secretName"], certificate["metadata"]["namespace"]
        return text(self._kube.get("v1", "Secret", name, namespace), "tls.crt")

    def _mounted(self) -> Iterator[tuple[Path, str]]:
        """Files of running Pods, and what they should say: of the bundle, and of the Secrets of this CA's certificates."""
        secrets = {
            (one["metadata"]["namespace"], one["spec"]["secretName"]): self._chain(one) for one in self._issued()
        }
        for pod in self._kube.list("v1", "Pod"):
            root = self._home / "pods" / pod["metadata"]["uid"] / "root"
            running = (pod.get("status") or {}).get("phase") == "Running"
            volumes = {one["name"]: one for one in pod["spec"].get("volumes") or ()} if running else {}
            for container in pod["spec"]["containers"]:
                for mount in container.get("volumeMounts") or ():
                    volume, folder = volumes.get(mount["name"], {}), root / mount["mountPath"].lstrip("/")
                    key = Key(pod["metadata"]["namespace"], (volume.get("secret") or {}).get("secretName", ""))
                    if (volume.get("configMap") or {}).get("name") == self._scope.bundle:
                        yield folder / self._scope.entry, self._bundle()
                    if key in secrets:
                        yield folder / "tls.crt", secrets[key]


def _says(file: Path, wanted: str) -> bool:
    try:
        return file.read_text() == wanted
    except OSError:
        return False


def _is_by(chain: str, root: str) -> bool:
    """Whether the last certificate of a chain was signed by this root."""
    if not chain or not root:
        return False
    try:
        x509.load_pem_x509_certificates(chain.encode())[-1].verify_directly_issued_by(
            x509.load_pem_x509_certificate(root.encode())
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
