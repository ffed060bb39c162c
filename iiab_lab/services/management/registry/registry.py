"""An upload → a version, and the model that serves it; versions listed, deleted, and collected with their model.

A version is recorded and put to work under one lock, so two uploads of one model both end whole and the later one serves.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ....runtimes import confine
from ..callers import Caller
from ..errors import Refused
from ..models import ModelBody, Models
from ..platform import MODEL, Kind, Object, Platform
from .address import Addresses, artifact_of
from .intake import prepared
from .store import Incoming, Store, Version

log = logging.getLogger(__name__)
_REVISION = Kind("serving.knative.dev/v1", "Revision")
_SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
_AT_ONCE, _TRIES = 8, 5


class Limits(NamedTuple):
    """In bytes: one upload, and all of a tenant."""

    upload: int
    tenant: int


class Destination(NamedTuple):
    model: str
    namespace: str


def confinement() -> str:
    """What keeps a model's code from everything else: "none" where nothing does.

    On a cluster every server is a container with namespaces of its own, and the kubelet says so in the environment. Where
    there are none, this process shares the kernel with the model servers: what it can have, they have.
    """
    return "containers" if "KUBERNETES_SERVICE_HOST" in os.environ else str(confine.available())


class Registry:
    def __init__(self, platform: Platform, models: Models, store: Store, addresses: Addresses, limits: Limits) -> None:
        self._platform, self._models, self._store, self._addresses = platform, models, store, addresses
        self.limits, self.confinement = limits, confinement()
        self._lock, self._places = threading.Lock(), threading.BoundedSemaphore(_AT_ONCE)
        if self.confinement == "none":
            log.warning("this kernel cannot confine model servers (Landlock): uploads are the admin's alone")

    def destination(self, caller: Caller, model: str, namespace: str) -> Destination:
        """Raises what an upload would be refused with before a byte of it is read."""
        if self.confinement == "none" and not caller.is_admin:
            why = (
                "a model is code, and this machine's kernel cannot confine it (no Landlock); ask the admin to upload it"
            )
            raise Refused(403, "Uploads are the admin's alone here", why)
        return Destination(model, self._models.place(caller, model, namespace))

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """Raises 503 where too many upload already, 507 where the volume gets full meanwhile."""
        if not self._places.acquire(blocking=False):
            raise Refused(503, "Too many uploads at once", "try again in a moment", {"Retry-After": "5"})
        try:
            with self._store.incoming() as incoming:
                yield incoming
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Refused(
                507, "The registry's volume is full", "delete versions or models, and upload again"
            ) from error
        finally:
            self._places.release()

    def publish(self, caller: Caller, to: Destination, incoming: Incoming, wanted: str, sha256: str) -> Object:
        """The same bytes again are the same version again; of an older one, that is the way back to it."""
        formats = self._models.formats()
        file, found = prepared(incoming, wanted, sha256, formats, self.limits.upload)
        with self._lock:
            self._collect(to.namespace)
            version = self._known(to, incoming.digest, found.framework)
            fresh = version is None
            if version is None:
                self._require_room(to.namespace, file)
                what: dict[str, Any] = {
                    "file": found.file,
                    "framework": found.framework,
                    "size": incoming.size,
                    "by": caller.name,
                }
                artifact = self._store.keep(to.namespace, file)
                version = self._store.add(*_key(to), digest=incoming.digest, artifact=artifact, **what)
            try:
                self._serve(caller, to, version)
            except Refused:
                if fresh:
                    self._store.remove(*_key(to), version.version)
                    self._collect(to.namespace)
                raise
        log.info("%s uploaded %s/%s version %d", caller.name, to.namespace, to.model, version.version)
        return {"version": version.version, "digest": f"sha256:{version.digest}", "size": version.size}

    def listed(self, model: Object) -> list[Object]:
        """The newest first. `storageUri` is what a model names to serve this version."""
        meta = model["metadata"]
        active = _source(model)
        made = []
        for version in self._store.versions(meta["namespace"], meta["name"]):
            uri = self._addresses.uri(meta["namespace"], version.artifact, version.file)
            shown = {name: value for name, value in asdict(version).items() if name not in ("artifact", "file")}
            made.append(shown | {"digest": f"sha256:{version.digest}", "active": uri == active, "storageUri": uri})
        return made

    def delete(self, model: Object, number: int) -> None:
        namespace, name = model["metadata"]["namespace"], model["metadata"]["name"]
        with self._lock:
            version = next((v for v in self._store.versions(namespace, name) if v.version == number), None)
            if version is None:
                raise Refused(404, "Version not found", f"see GET /api/models/{name}/versions")
            if version.artifact in self._in_use(model):
                details = "a revision of the model serves it, or is to; upload or choose another version first"
                raise Refused(409, "The version is in use", details)
            self._store.remove(namespace, name, number)
            self._collect(namespace)

    def collect(self, namespace: str) -> None:
        with self._lock:
            self._collect(namespace)

    def forget(self, namespace: str) -> None:
        """Everything a tenant uploaded."""
        with self._lock:
            self._store.drop(namespace)

    def file(self, namespace: str, artifact: str, code: str, name: str) -> Path:
        """Raises 404 for whatever is not exactly an address of this registry."""
        if self._addresses.opens(namespace, artifact, code, name):
            file = self._store.artifact(namespace, artifact)
            if file.is_file():
                return file
        raise Refused(404, "There is no such artifact", "name a version's storageUri: GET /api/models/NAME/versions")

    def _known(self, to: Destination, digest: str, framework: str) -> Version | None:
        for version in self._store.versions(to.namespace, to.model):
            if (version.digest, version.framework) == (digest, framework):
                return version
        return None

    def _require_room(self, namespace: str, file: Path) -> None:
        if self._store.held(namespace) + file.stat().st_size > self.limits.tenant:
            details = f"at most {self.limits.tenant} bytes; delete versions: DELETE /api/models/NAME/versions/VERSION"
            raise Refused(413, "The tenant's registry is full", details)

    def _serve(self, caller: Caller, to: Destination, version: Version) -> None:
        """Controllers write to the model too, so a conflict is tried again."""
        uri = self._addresses.uri(to.namespace, version.artifact, version.file)
        body = ModelBody(name=to.model, framework=version.framework, storageUri=uri, namespace=to.namespace)
        for left in reversed(range(_TRIES)):
            try:
                if self._platform.get(MODEL, to.model, to.namespace):
                    change = body.model_copy(update={"name": ""})
                    self._models.update(caller, to.model, change, to.namespace)
                else:
                    self._models.create(caller, body)
            except Refused as refused:
                if refused.status != 409 or not left:
                    raise
            else:
                return

    def _collect(self, namespace: str) -> None:
        """Records of models that are gone, then artifacts that nothing names; a model deleted by kubectl among them."""
        models = self._platform.list(MODEL, namespace)
        for name in set(self._store.models(namespace)) - {obj["metadata"]["name"] for obj in models}:
            self._store.forget(namespace, name)
        gone = self._store.sweep(namespace, {one for model in models for one in self._in_use(model)})
        if gone:
            log.info("collected %d artifacts of %s", len(gone), namespace)

    def _in_use(self, model: Object) -> set[str]:
        """Artifacts that the model names, and those of its revisions that serve: their Pods may start again."""
        predictor = ((model.get("status") or {}).get("components") or {}).get("predictor") or {}
        names = {predictor.get("latestCreatedRevision", ""), predictor.get("latestReadyRevision", "")}
        names |= {target.get("revisionName", "") for target in predictor.get("traffic") or ()}
        return set(filter(None, map(artifact_of, [_source(model), *self._sources(model, names - {""})])))

    def _sources(self, model: Object, revisions: Iterable[str]) -> Iterator[str]:
        for name in revisions:
            found = self._platform.get(_REVISION, name, model["metadata"]["namespace"]) or {}
            yield ((found.get("metadata") or {}).get("annotations") or {}).get(_SOURCE, "")


def _source(model: Object) -> str:
    return str((model["spec"]["predictor"].get("model") or {}).get("storageUri", ""))


def _key(to: Destination) -> tuple[str, str]:
    return to.namespace, to.model
