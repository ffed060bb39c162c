"""A Target → what attacks need: the platform's doors, tokens genuine and forged, other people's identities, a victim.

Everything that is made here, or on its behalf, is gone when the stage is left.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pickle
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from ...errors import ApiError, NotReady
from ...kube import Kube, Object
from ...target import Target
from ...traffic.identity import claims, token
from ...traffic.management import Management, PublishedModel
from . import forge, hostile, intruder, mesh
from .attack import TIER_2, Outcome
from .attacks.forged import FORGED, Kit
from .doors import PODS, Door, Doors, Place

VICTIM, HOSTILE = "catalogue-iris", "catalogue-hostile"
OWNER, STRANGER, ADMIN = "tenant-a", "tenant-b", "admin"
_STORAGE = "pvc://models/sklearn-iris"
CONTAINERS = "containers"
ABSENT, _MISSING = "nothing such in the container", ("FileNotFoundError", "ConnectionRefusedError")
# identity that is shown → its SPIFFE id; "none" shows nothing, "foreign" the right name by a CA of nobody's.
IDENTITIES = {
    "edge": mesh.EDGE,
    "ingress": mesh.INGRESS,
    "activator": mesh.ACTIVATOR,
    "tenant-b": mesh.TENANT_B,
    "prometheus": mesh.PROMETHEUS,
    "other-domain": mesh.INGRESS.replace("cluster.local", "cluster-local"),
    "longer": f"{mesh.INGRESS}-2",
    "none": "",
}


class Stage:
    """Use it in a `with` block. What costs something is made when it is first asked for."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._ends = contextlib.ExitStack()
        self._doors = Doors(target, self._where)
        self._tokens: dict[str, str] = {}
        self._actors: dict[str, Kube] = {}
        self._reported: dict[str, str] | None = None
        self._lock = threading.RLock()  # slow attacks ask from threads of their own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def finally_(self, undo: Callable[[], object]) -> None:
        """Done when the stage is left, the latest first, whatever else went wrong."""
        self._ends.callback(_quietly, undo)

    def fill(self, text: str) -> str:
        """`<…>` → what it stands for; unknown ones stay."""
        return re.sub(r"<([a-z][a-z0-9:-]*)>", lambda found: self._known(found[1], found[0]), text)

    def _known(self, name: str, otherwise: str) -> str:
        if name.startswith("token:"):
            return self.token(name.removeprefix("token:"))
        meant: dict[str, Callable[[], str]] = {
            "owner": lambda: OWNER,
            "victim": lambda: self.victim.details["modelName"],
            "key": lambda: self.victim.key,
            "key-id": lambda: str(self.victim.details["keys"][0]["keyId"]),
            "api-server": lambda: urlsplit(self.target.kube.server).netloc,
            "home": lambda: str(self.home),
            "keys": lambda: str(self.home / "pki") if self.target.home else "/etc/kubernetes/pki",
            "kubeconfig": lambda: str(self.target.kubeconfig),
            "theirs": lambda: str(self.home / "volumes" / OWNER / "models" / "sklearn-iris"),
        }
        return meant[name]() if name in meant else otherwise

    @property
    def home(self) -> Path:
        """The platform's files where they are on this machine, else where a node of Kubernetes has its own."""
        return self.target.home or Path("/var/lib/kubelet")

    # Tokens

    def token(self, name: str) -> str:
        """Of a tenant or the admin, as the identity service signs it; else one of the forged."""
        with self._lock:
            if name not in self._tokens:
                made = FORGED[name](self.kit) if name in FORGED else token(self.target, name)
                self._tokens[name] = made
            return self._tokens[name]

    @cached_property
    def kit(self) -> Kit:
        """The issuers' own signing keys, so that a forged token is wrong in one thing alone."""
        secret = self.target.kube.get("v1", "Secret", "identity-signing-keys", "identity")
        if secret is None:
            raise NotReady("There is no Secret identity/identity-signing-keys.", "look at: iiab status")
        pems = sorted((name.removesuffix(".pem"), base64.b64decode(v)) for name, v in secret["data"].items())
        latest = {kid.rpartition(".")[0]: forge.signer(kid, pem) for kid, pem in pems}
        now, ours = int(time.time()), latest[OWNER]
        fresh = claims(self.token(OWNER)) | {"iat": now, "nbf": now, "exp": now + 600}
        genuine, foreign = self.token(OWNER), forge.stranger(ours.kid)
        return Kit(fresh, ours, foreign, genuine, now, latest[STRANGER], latest[""])

    # Doors

    def door(self, name: str) -> Door:
        with self._lock:
            return self._doors.open(name)

    def _where(self, door: str) -> Place:
        return PODS[door]

    # Certificates

    def trust(self, door: str) -> ssl.SSLContext:
        """The platform's CA alone, no certificate of one's own."""
        made = ssl.create_default_context(cafile=self.target.ca or None)
        if door == "edge-h2":
            made.set_alpn_protocols(["h2"])
        return made

    def shown(self, identity: str, door: Door) -> ssl.SSLContext | None:
        """None for plaintext. What is no identity by name is a SPIFFE id."""
        if identity == "plaintext":
            return None
        edge = door == self.door(TIER_2)
        own = self._edge if edge else self._mesh
        if identity == "foreign":
            right = mesh.EDGE if edge else mesh.INGRESS
            return mesh.context(mesh.stranger(), right, own.root)
        return mesh.context(own, IDENTITIES.get(identity, identity), own.root)

    @cached_property
    def _mesh(self) -> mesh.Authority:
        return self._authority("cacerts", "istio-system")

    @cached_property
    def _edge(self) -> mesh.Authority:
        """By whose certificates the tiers know each other."""
        return self._authority("lab-root-ca", "cert-manager")

    def _authority(self, name: str, namespace: str) -> mesh.Authority:
        secret = self.target.kube.get("v1", "Secret", name, namespace)
        if secret is None:
            raise NotReady(f"There is no Secret {namespace}/{name}.", "look at: iiab status")
        key, chain, root = (base64.b64decode(secret["data"][name]) for name in ("tls.key", "tls.crt", "ca.crt"))
        return mesh.Authority(key, chain, root)

    # The Kubernetes API

    def api(self, actor: str, method: str, path: str, body: str, headers: dict[str, str]) -> Outcome:
        """What is written is written dry; the layer is told by the answer, a Status of the API server."""
        with self._lock:
            session, server = self._session(actor), self.target.kube.server
        kind = "merge-patch+json" if method == "PATCH" else "json"
        answer = session.request(
            method,
            server + self.fill(path),
            data=self.fill(body) or None,
            headers={"content-type": f"application/{kind}"} | headers,
            params={} if method == "GET" else {"dryRun": "All", "fieldValidation": "Strict"},
            timeout=10,
        )
        return Outcome(str(answer.status_code), _message(answer), (), "api-server")

    def _session(self, actor: str) -> requests.Session:
        return self.target.kube.session if actor == ADMIN else self.acting(actor).session

    def acting(self, actor: str) -> Kube:
        """The API as somebody else sees it, for what is not only tried."""
        if actor not in self._actors:
            kube = Kube(self.target.kubeconfig, self.target.context)
            kube.session.headers.pop("Authorization", None)
            if bearer := self._bearer(actor):
                kube.session.headers["Authorization"] = f"Bearer {bearer}"
            self._actors[actor] = kube
        return self._actors[actor]

    def _bearer(self, actor: str) -> str:
        if actor == STRANGER:
            return self._intruder
        return "" if actor == "nobody" else self.token(actor.removeprefix("token-of-"))

    @cached_property
    def _intruder(self) -> str:
        """A kubeconfig's token of the other tenant: it may edit its own namespace."""
        self.finally_(lambda: intruder.remove(self.target.kube, STRANGER))
        return intruder.token(self.target.kube, STRANGER)

    # The victim

    @cached_property
    def owner(self) -> Management:
        return Management(self.target, OWNER)

    @cached_property
    def victim(self) -> PublishedModel:
        """A model of the owner's, published with a key: what the stranger is after."""
        with self._lock:
            self.finally_(lambda: self.owner.remove(VICTIM))
            self.owner.remove(VICTIM)
            self.owner.create(VICTIM, _STORAGE)
            self.owner.await_ready(VICTIM)
            return self.owner.publish(VICTIM, OWNER, externalPath=f"/models/{VICTIM}")

    # A hostile one

    @cached_property
    def confinement(self) -> str:
        """By the platform's own word, what keeps a model's code from everything else: containers, a kernel's Landlock, none."""
        return str(Management(self.target).call("GET", "/api/frameworks")["confinement"])

    def confessed(self, said: str) -> str:
        """A model's word of one try. Of a machine's files and ports a container has none; where the platform's are on this one,
        a file that is missing was not tried."""
        return ABSENT if said in _MISSING and not self.target.home else said

    def hostile(self, targets: Callable[[Target], Mapping[str, tuple[str, Any]]]) -> dict[str, str]:
        """What a model that was uploaded by a tenant reports of its tries; it is uploaded once, whatever comes of it."""
        with self._lock:
            if self._reported is None:
                self._reported = {}
                self._reported = self._loaded(targets(self.target))
            return self._reported

    def _loaded(self, targets: Mapping[str, tuple[str, Any]]) -> dict[str, str]:
        self.finally_(lambda: self.owner.remove(HOSTILE))
        self.owner.remove(HOSTILE)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.pkl"
            file.write_bytes(pickle.dumps(hostile.Hostile(targets)))
            self.owner.upload(HOSTILE, file, framework="sklearn")
        self.owner.await_ready(HOSTILE, 20)
        log = self.owner.call("GET", f"/api/models/{HOSTILE}/logs", params={"lines": "1000"})
        return hostile.reported("\n".join(log["logs"]))


def _message(answer: requests.Response) -> str:
    try:
        said: Object = answer.json()
    except ValueError:
        return answer.text
    return str(said.get("message") or json.dumps(said))


def _quietly(undo: Callable[[], Any]) -> None:
    with contextlib.suppress(ApiError):
        undo()
