"""Publish, update, unpublish; keys made, rotated, revoked. Each change is whole, and answered once the gateway has it.

One change of a model at a time: its ConfigMap is made first and is the claim; locks keep this process's own changes apart.
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..callers import Caller, Callers
from ..edge import NAMESPACE, Edge
from ..errors import Refused
from ..models import Models, is_ready, type_of
from ..platform import CONFIG_MAP, GRANT, ROUTE, SECRET, SECURITY, TRAFFIC, Kind, Object, Platform
from . import objects
from .config import Config, merged, require_valid
from .in_force import await_in_force, await_shut
from .publication import Former, Key, Publication, load
from .transaction import Transaction, release

_LISTED = "app=published-model,type=metadata"
_OVERLAP, _MOST_KEYS = 300, 50
_DOORS = ("", "-jwt")


class Publisher:
    def __init__(
        self, platform: Platform, edge: Edge, callers: Callers, models: Models, now: Callable[[], float] = time.time
    ) -> None:
        self._platform, self._edge, self._callers, self._models, self._now = platform, edge, callers, models, now
        self._lock = threading.RLock()
        self.changed = threading.Condition()  # whoever waits for the next expiry wakes on it

    # Reading

    def listed(self, caller: Caller, namespace: str = "") -> list[Publication]:
        return [p for ns in self._models.namespaces(caller, namespace) for p in self.within(ns)]

    def find(self, caller: Caller, model: str, namespace: str = "") -> Publication:
        found = [p for ns in self._models.namespaces(caller, namespace) if (p := self._read(model, ns))]
        if not found:
            raise Refused(404, "Model is not published", f"publish it: POST /api/models/{model}/publish")
        if len(found) > 1:
            raise Refused(409, "Several tenants have published this name", "add ?namespace=NAMESPACE")
        return found[0]

    # Changes

    def publish(self, caller: Caller, model: str, config: Config) -> tuple[Publication, str]:
        """→ the publication and its first key, which is never shown again."""
        namespace = self._namespace(caller, config.tenantId)
        served = self._models.find(caller, model, namespace)
        require_valid(config, type_of(served), self._callers.tenants())
        if not is_ready(served):
            raise Refused(400, "Model is not ready", f"look at: GET /api/models/{model}")
        if type_of(served) != "traditional":
            raise Refused(400, "Validation failed", "modelType: OpenAI-style models are not published yet")
        stamp = self._stamp()
        value = _new_key()
        key = Key(f"default-{secrets.token_hex(4)}", "default", caller.name, objects.secret_name(model), stamp)
        publication = Publication(model, namespace, config.tenantId, type_of(served), config, (key,), stamp, stamp)
        with self._lock:
            self._require_free(publication)
            with Transaction(self._platform) as write:
                self._claim(write, publication)
                write.apply(objects.secret(publication, key.secret, key.id, value))
                self._put(write, publication)
        return publication, value

    def update(self, caller: Caller, model: str, change: dict[str, Any], namespace: str = "") -> Publication:
        """Limits, paths and hostnames, live; a door that is replaced stays open for the overlap."""
        with self._lock:
            before = self.find(caller, model, namespace or self._wanted(caller, change))
            config = merged(before.config, {**change, "tenantId": before.tenant})
            require_valid(config, before.type, self._callers.tenants())
            after = replace(before, config=config, updated=self._stamp())
            if (after.host, after.path) != (before.host, before.path) and config.overlapSeconds:
                until = self._stamp(config.overlapSeconds)
                kept = [one for one in before.former if (one.host, one.path) != (after.host, after.path)]
                after = replace(after, former=(*kept, Former(before.host, before.path, until)))
            self._require_free(after)
            self._change(after)
        return after

    def unpublish(self, caller: Caller, model: str, namespace: str = "") -> Publication:
        with self._lock:
            publication = self.find(caller, model, namespace)
            with Transaction(self._platform) as write:
                for door in _doors(publication):
                    write.delete(*door)
                await_shut(self._edge, self._own_doors(publication))
                for trace in _traces(publication):
                    write.delete(*trace)
            self._forget_hosts(host for host, _ in publication.doors)
        return publication

    def add_key(
        self, caller: Caller, model: str, name: str, owner: str, limits: dict[str, int], namespace: str = ""
    ) -> tuple[Key, str]:
        with self._lock:
            publication = self.find(caller, model, namespace)
            if len(publication.keys) >= _MOST_KEYS:
                raise Refused(409, f"A model has at most {_MOST_KEYS} keys", "revoke one first")
            key, value = self._made(publication, name, owner or caller.name, limits)
            self._change(publication.with_key(key), key, value)
        return key, value

    def rotate(
        self, caller: Caller, model: str, key_id: str = "", overlap: int = _OVERLAP, namespace: str = ""
    ) -> tuple[Key, str]:
        """A new key in the place of an old one, which opens for `overlap` more seconds."""
        if not 0 <= overlap <= 30 * 86_400:
            raise Refused(400, "Validation failed", "overlapSeconds: must be from 0 to 30 days")
        with self._lock:
            publication = self.find(caller, model, namespace)
            old = _key(publication, key_id)
            key, value = self._made(publication, old.name, old.owner, old.limits)
            expiring = tuple(
                replace(k, expires=self._stamp(overlap)) if k.id == old.id else k for k in publication.keys
            )
            self._change(replace(publication, keys=expiring).with_key(key), key, value)
            if not overlap:
                self.expire()
        return key, value

    def revoke(self, caller: Caller, model: str, key_id: str, namespace: str = "") -> Key:
        with self._lock:
            publication = self.find(caller, model, namespace)
            key = _key(publication, key_id)
            if len(publication.keys) == 1:
                raise Refused(409, "The last key of a published model cannot be revoked", "rotate it, or unpublish")
            self._change(replace(publication, keys=tuple(k for k in publication.keys if k.id != key.id)))
            self._platform.delete(SECRET, key.secret, publication.namespace)
        return key

    def expire(self) -> float | None:
        """Closes what has had its time → seconds until the next such moment, None for none."""
        due: list[float] = []
        with self._lock:
            for namespace in self._callers.tenants().values():
                for publication in self.within(namespace):
                    due += self._expire(publication)
        return max(0.0, min(due) - self._now()) if due else None

    # Parts

    def _expire(self, publication: Publication) -> list[float]:
        now = self._now()
        ended = [key for key in publication.keys if key.expires and _seconds(key.expires) <= now]
        shut = [one for one in publication.former if _seconds(one.until) <= now]
        if ended or shut:
            keys = tuple(key for key in publication.keys if key not in ended)
            former = tuple(one for one in publication.former if one not in shut)
            publication = replace(publication, keys=keys, former=former)
            self._change(publication)
            for key in ended:
                self._platform.delete(SECRET, key.secret, publication.namespace)
            self._forget_hosts(one.host for one in shut)
        times = [*(key.expires for key in publication.keys if key.expires), *(one.until for one in publication.former)]
        return [_seconds(text) for text in times]

    def _change(self, publication: Publication, key: Key | None = None, value: str = "") -> None:
        with Transaction(self._platform) as write:
            if key:
                write.apply(objects.secret(publication, key.secret, key.id, value))
            self._put(write, publication)
            write.apply(objects.metadata(publication))
        with self.changed:
            self.changed.notify_all()

    def _put(self, write: Transaction, publication: Publication) -> None:
        for host in dict.fromkeys(host for host, _ in publication.doors):
            for obj in objects.hostname_objects(host):
                write.apply(obj, manager=f"published-{host}"[:128] if obj["kind"] == "Gateway" else "")
        grant, *doors = objects.all_of(publication)
        # A key that goes stays granted until no door names it: a policy that names what it may not have answers 500.
        write.apply(self._with_former(grant))
        await_in_force(self._platform, [write.apply(obj) for obj in doors])
        write.apply(grant)

    def _with_former(self, grant: Object) -> Object:
        meta, wanted = grant["metadata"], grant["spec"]["to"]
        before = self._platform.get(GRANT, meta["name"], meta["namespace"]) or grant
        former = [one for one in before["spec"]["to"] if one not in wanted]
        return grant | {"spec": grant["spec"] | {"to": wanted + former}}

    def _claim(self, write: Transaction, publication: Publication) -> None:
        try:
            write.create(objects.metadata(publication))
        except Refused as refused:
            if refused.status == 409:
                raise Refused(409, "Model is already published", "change it: PUT the same URL") from refused
            raise

    def _made(self, publication: Publication, name: str, owner: str, limits: dict[str, int]) -> tuple[Key, str]:
        suffix = secrets.token_hex(4)
        secret = objects.secret_name(publication.model, suffix)
        return Key(f"{name}-{suffix}", name, owner, secret, self._stamp(), limits=limits), _new_key()

    def _require_free(self, publication: Publication) -> None:
        """No door of another model may be the same, or lie within another tenant's; nor may its objects' names be."""
        names = objects.names(publication.namespace, publication.model)
        for namespace in self._callers.tenants().values():
            for other in self.within(namespace):
                if (other.model, other.namespace) == (publication.model, publication.namespace):
                    continue
                if names & objects.names(other.namespace, other.model):
                    raise Refused(409, "The name is taken", f"{other.namespace}/{other.model} has the same objects")
                for host, path in other.doors:
                    same = host == publication.host and path == publication.path
                    within = host == publication.host and _overlap(path, publication.path)
                    if same or (within and other.tenant != publication.tenant):
                        raise Refused(409, "The path is taken", f"{host}{path} is published already; choose another")

    def _forget_hosts(self, hosts: Iterable[str]) -> None:
        """A listener and a certificate go with the last model that is published under their name."""
        used = {h for ns in self._callers.tenants().values() for p in self.within(ns) for h, _ in p.doors}
        for host in set(hosts) - used:
            for obj in objects.hostname_objects(host):
                kind, meta = Kind(obj["apiVersion"], obj["kind"]), obj["metadata"]
                if obj["kind"] == "Gateway":
                    release(self._platform, kind, meta["name"], meta["namespace"], f"published-{host}"[:128])
                else:
                    self._platform.delete(kind, meta["name"], meta["namespace"])
                    self._platform.delete(SECRET, obj["spec"]["secretName"], meta["namespace"])

    def _own_doors(self, publication: Publication) -> list[tuple[str, str]]:
        """Those that answer 404 once they are shut: none within a door of another model of the tenant."""
        others = [door for other in self.within(publication.namespace) if other != publication for door in other.doors]
        return [
            (host, path)
            for host, path in publication.doors
            if not any(host == other and f"{path}/".startswith(within.rstrip("/") + "/") for other, within in others)
        ]

    def _namespace(self, caller: Caller, tenant: str) -> str:
        if not caller.is_admin and tenant != caller.tenant:
            raise Refused(403, f"Insufficient permissions for tenant: {tenant}", f"yours is {caller.tenant}")
        return self._callers.namespace(tenant)

    def _wanted(self, caller: Caller, change: dict[str, Any]) -> str:
        tenant = change.get("tenantId")
        return self._namespace(caller, str(tenant)) if tenant else ""

    def within(self, namespace: str) -> list[Publication]:
        return [load(found) for found in self._platform.list(CONFIG_MAP, namespace, _LISTED)]

    def _read(self, model: str, namespace: str) -> Publication | None:
        found = self._platform.get(CONFIG_MAP, objects.metadata_name(model), namespace)
        return load(found) if found else None

    def _stamp(self, later: float = 0) -> str:
        return datetime.fromtimestamp(self._now() + later, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _doors(publication: Publication) -> list[tuple[Kind, str, str]]:
    name = objects.base(publication.namespace, publication.model)
    return [(ROUTE, name + door, NAMESPACE) for door in _DOORS]


def _traces(publication: Publication) -> list[tuple[Kind, str, str]]:
    """Everything of a publication but its doors, which go first: nothing is open whose rules are gone."""
    name, limits = objects.base(publication.namespace, publication.model), "published-model-rate-limit-"
    found = [(SECURITY, name + door, NAMESPACE) for door in _DOORS]
    found += [(TRAFFIC, f"{limits}{publication.namespace}-{publication.model}{door}", NAMESPACE) for door in _DOORS]
    found.append((GRANT, f"published-model-grant-{publication.model}", publication.namespace))
    found += [(SECRET, key.secret, publication.namespace) for key in publication.keys]
    return [*found, (CONFIG_MAP, objects.metadata_name(publication.model), publication.namespace)]


def _key(publication: Publication, key_id: str) -> Key:
    """By its id; without one, the latest that does not expire."""
    lasting = [key for key in publication.keys if not key.expires]
    found = [key for key in publication.keys if key.id == key_id] if key_id else lasting[-1:]
    if not found:
        raise Refused(404, "Key not found", f"see GET /api/models/{publication.model}/keys")
    return found[0]


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def _new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
