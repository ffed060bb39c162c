"""An HTTP request line → what it asks of the API: verb, resource, object, subresource. Kubernetes' RequestInfo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..objects.kinds import Key
from ..objects.selectors import parse_fields
from .query import flag

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Info:
    """`resource` is "" for paths that are no resource (`/healthz`, discovery); then `path` is what RBAC checks."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    selected: str = ""  # the one object that the field selector of a collection's verb leaves: rights to it suffice

    @property
    def key(self) -> Key:
        """Of the object; a Namespace is named in the place where others have their namespace."""
        return Key("" if self.resource == "namespaces" and not self.group else self.namespace, self.name)


def parse(method: str, path: str, query: Mapping[str, str]) -> Info:
    parts = [part for part in path.split("/") if part]
    verb = _VERBS.get(method, method.lower())
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Info(verb, path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        # /namespaces/x/pods is about Pods; /namespaces/x and /namespaces/x/status are about the Namespace.
        if len(rest) > 2 and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[0], (*rest, "", "")[1], "/".join(rest[2:])
    selected = "" if name else _selected(query)
    verb = _collection_verb(verb, name, query)
    return Info(verb, path, group, version, namespace, resource, name, subresource, selected)


def _selected(query: Mapping[str, str]) -> str:
    try:
        fields = parse_fields(query.get("fieldSelector", ""))
    except ValueError:
        return ""  # refused where the selector is used
    return next((values[0] for field, sign, values in fields if (field, sign) == ("metadata.name", "in")), "")


def _collection_verb(verb: str, name: str, query: Mapping[str, str]) -> str:
    if verb == "get" and flag(query, "watch"):
        return "watch"
    if name:
        return verb
    return {"get": "list", "delete": "deletecollection"}.get(verb, verb)
