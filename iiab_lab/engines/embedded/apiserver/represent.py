"""Stored entries → the bytes a client asked for: objects, a Table, metadata alone; in the version of the URL.

What a client accepts is tried in its order; 406 where nothing of it can be made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import yaml
from starlette.requests import Request
from starlette.responses import Response

from ....errors import ApiError
from ..objects.meta import Object
from ..store.watch import Entry
from . import status, tables

if TYPE_CHECKING:
    from .resources import Call

_ANY = ("*/*", "application/*", "application/json", "")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_SHAPES = {"Table": "Table", "PartialObjectMetadata": "Metadata", "PartialObjectMetadataList": "Metadata"}
META = "meta.k8s.io/v1"


@dataclass(frozen=True)
class Form:
    """`shape` is Object, Table or Metadata."""

    shape: str = "Object"
    yaml: bool = False


def form(request: Request) -> Form:
    """The first acceptable form of the Accept header; protobuf and CBOR are passed over."""
    accept = request.headers.get("accept", "")
    for wanted in accept.split(","):
        media, *parameters = (part.strip().lower() for part in wanted.split(";"))
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media not in (*_ANY, *_YAML):
            continue
        shapes = {name.lower(): shape for name, shape in _SHAPES.items()}
        if "as" not in given:
            return Form("Object", media in _YAML)
        if given["as"] in shapes and given.get("v", "v1") == "v1":
            return Form(shapes[given["as"]], media in _YAML)
    raise ApiError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
        "name one of them in the Accept header",
    )


def one(call: Call, entry: Entry, code: int = 200) -> Response:
    made = _response(call, _single(call, entry), code)
    for warning in (*call.warnings, *entry.warnings):
        made.headers.append("Warning", f"299 - {_quoted(warning)}")
    return made


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def many(call: Call, entries: list[Entry], meta: Object) -> Response:
    """`meta` is the list's: resourceVersion, continue, remainingItemCount."""
    shape, kind = call.form.shape, call.resource.kind
    if shape == "Table":
        content = orjson.dumps(tables.table(call.resource, [e.object() for e in entries], meta, call.query))
    else:
        version, name = (
            (META, "PartialObjectMetadataList") if shape == "Metadata" else (kind.api_version, f"{kind.kind}List")
        )
        head = orjson.dumps({"apiVersion": version, "kind": name, "metadata": meta})
        content = head[:-1] + b',"items":[' + b",".join(_single(call, entry) for entry in entries) + b"]}"
    return _response(call, content, 200)


def event(call: Call, entry: Entry) -> bytes:
    """The object of one line of a watch."""
    return _single(call, entry)


def bookmark(call: Call, revision: int, annotations: dict[str, str]) -> bytes:
    kind = call.resource.kind
    meta: Object = {"resourceVersion": str(revision)} | ({"annotations": annotations} if annotations else {})
    if call.form.shape == "Table":
        return orjson.dumps(tables.table(call.resource, [], meta, call.query))
    version, name = (META, "PartialObjectMetadata") if call.form.shape == "Metadata" else (kind.api_version, kind.kind)
    return orjson.dumps({"kind": name, "apiVersion": version, "metadata": {"creationTimestamp": None} | meta})


def _single(call: Call, entry: Entry) -> bytes:
    shape, kind = call.form.shape, call.resource.kind
    if shape == "Object" and kind == call.resource.stored:
        return entry.raw
    obj = entry.object()
    if shape == "Table":
        return orjson.dumps(tables.table(call.resource, [obj], {"resourceVersion": str(entry.revision)}, call.query))
    if shape == "Metadata":
        return orjson.dumps({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": obj["metadata"]})
    return orjson.dumps(obj | {"apiVersion": kind.api_version})


def _response(call: Call, content: bytes, code: int) -> Response:
    if not call.form.yaml:
        return status.json(content, code)
    text: Any = yaml.safe_dump(orjson.loads(content), sort_keys=False, allow_unicode=True)
    return Response(text, code, media_type="application/yaml")
