"""One request about a resource → the store → the bytes that answer it. Verbs of the Kubernetes API conventions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml
from starlette.requests import Request
from starlette.responses import Response

from ....errors import ApiError
from ..objects import selectors
from ..objects.meta import Object
from ..store.fields.managers import Writer
from ..store.registry import Resource
from ..store.store import Store
from ..store.watch import Entry
from . import patch, status, tables
from .authn import User
from .info import Info

MAX_BODY = 3 * 1024 * 1024
_JSON = ("application/json", "")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")


@dataclass
class Call:
    """Everything one request brings along."""

    request: Request
    info: Info
    user: User
    store: Store
    resource: Resource
    query: dict[str, str] = field(default_factory=dict)

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def validation(self) -> str:
        """Strict, unless the client asks for less."""
        return self.query.get("fieldValidation") or "Strict"

    @property
    def writer(self) -> Writer:
        """As Kubernetes tells field managers apart: by name, else by the program that calls."""
        agent = self.request.headers.get("user-agent", "").partition("/")[0]
        return Writer((self.query.get("fieldManager") or agent or "unknown")[:128])


async def get(call: Call) -> Response:
    return _answer(call, require(call))


async def list_(call: Call) -> Response:
    revision, entries = call.store.list(call.resource.stored, call.info.namespace or None)
    chosen = list(filter(selected(call), entries))
    if tables.wanted(call.request):
        return status.json(tables.table(call.resource, [entry.object() for entry in chosen], str(revision), call.query))
    items = b",".join(in_version(call, entry.raw) for entry in chosen)
    kind = call.resource.kind
    head = orjson.dumps(
        {
            "apiVersion": kind.api_version,
            "kind": f"{kind.kind}List",
            "metadata": {"resourceVersion": str(revision)},
        }
    )
    return status.json(head[:-1] + b',"items":[' + items + b"]}")


async def create(call: Call) -> Response:
    obj = await _object(call)
    entry = await call.store.create(
        call.resource.kind, obj, writer=call.writer, dry_run=call.dry_run, validation=call.validation
    )
    return _answer(call, entry, 201)


async def update(call: Call) -> Response:
    obj = await _object(call)
    if obj["metadata"].get("name") != call.info.name:
        raise ApiError(
            400,
            "BadRequest",
            f"the name of the object ({obj['metadata'].get('name')}) does not match the name on the URL "
            f"({call.info.name})",
            "send it to its own URL",
        )
    return _answer(call, await _update(call, obj))


async def modify(call: Call) -> Response:
    """PATCH, by content type, onto the latest state: only a resourceVersion in the patch itself can conflict."""
    kind, content = _content_type(call), await body(call)
    if kind == "application/apply-patch+yaml":
        return await _apply(call, _parse_yaml(content))
    current = _latest(call).object()
    patched = _patched(kind, current, _parse_json(content), call.resource.schema)
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        raise ApiError(422, "Invalid", "the patch leaves no object with metadata", "patch fields below the top")
    return _answer(call, await _update(call, patched))


async def delete(call: Call) -> Response:
    entry = await call.store.delete(call.resource.kind, call.info.key, **await _delete_options(call))
    if call.store.get(call.resource.stored, call.info.key):
        return _answer(call, entry)  # finalizers or a grace period hold it
    meta = entry.object()["metadata"]
    kind = call.resource.kind
    return status.json(
        status.success(details={"name": meta["name"], "group": kind.group, "kind": kind.plural, "uid": meta["uid"]})
    )


async def delete_collection(call: Call) -> Response:
    options = await _delete_options(call)
    _, entries = call.store.list(call.resource.stored, call.info.namespace or None)
    for entry in filter(selected(call), entries):
        await call.store.delete(call.resource.kind, entry.key, **options)
    return status.json(status.success())


def require(call: Call) -> Entry:
    entry = call.store.get(call.resource.stored, call.info.key)
    if entry is None:
        raise _missing(call)
    return entry


def _latest(call: Call) -> Entry:
    entry = call.store.latest(call.resource.stored, call.info.key)
    if entry is None:
        raise _missing(call)
    return entry


def _missing(call: Call) -> ApiError:
    return ApiError(404, "NotFound", f'{call.resource.kind.resource} "{call.info.name}" not found')


def selected(call: Call) -> Callable[[Entry], bool]:
    """labelSelector and fieldSelector → a predicate on entries; raises 400 for what is no selector."""
    try:
        labels = selectors.parse(call.query.get("labelSelector", ""))
        fields = selectors.parse(call.query.get("fieldSelector", ""))
    except ValueError as error:
        raise ApiError(400, "BadRequest", str(error), "write KEY=VALUE,…") from error
    if not labels and not fields:
        return lambda entry: True
    return lambda entry: selectors.holds(labels, dict(entry.labels)) and _fields_hold(fields, entry)


def in_version(call: Call, raw: bytes) -> bytes:
    """The stored bytes, or, asked for in another served version, the same object under that apiVersion."""
    if call.resource.kind == call.resource.stored:
        return raw
    obj = orjson.loads(raw)
    obj["apiVersion"] = call.resource.kind.api_version
    return orjson.dumps(obj)


async def body(call: Call) -> bytes:
    """The request's body; raises 413 past 3 MB without reading it whole."""
    declared = call.request.headers.get("content-length", "0")
    chunks, size = [], 0
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise _too_large()
    async for chunk in call.request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


async def json_body(call: Call, *also: str) -> Any:
    """A JSON or YAML body, parsed; raises 415 for types but these and `also`, 400 for what does not parse."""
    kind, content = _content_type(call), await body(call)
    if kind in _YAML:
        return _parse_yaml(content)
    if kind == _PROTOBUF:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the embedded engine does not read protobuf, which kubectl's own `create` commands send",
            "add --dry-run=client -o yaml, and pipe that into: kubectl apply -f -",
        )
    if kind not in (*_JSON, *also):
        raise ApiError(
            415,
            "UnsupportedMediaType",
            f"the body of the request was in an unknown format: {kind}",
            "send application/json",
        )
    return _parse_json(content) if content else {}


def _answer(call: Call, entry: Entry, code: int = 200) -> Response:
    if tables.wanted(call.request):
        made = status.json(tables.table(call.resource, [entry.object()], str(entry.revision), call.query), code)
    else:
        made = status.json(in_version(call, entry.raw), code)
    for warning in entry.warnings:
        made.headers.append("Warning", f'299 - "{warning}"')
    return made


async def _update(call: Call, obj: Object) -> Entry:
    subresource = "status" if call.info.subresource == "status" else ""
    meta = obj["metadata"]
    if call.resource.kind.namespaced:
        meta["namespace"] = call.info.namespace
    return await call.store.update(
        call.resource.kind,
        obj,
        subresource=subresource,
        writer=call.writer,
        dry_run=call.dry_run,
        validation=call.validation,
    )


async def _apply(call: Call, applied: Object) -> Response:
    """Creates what is missing, merges into what is there; 409 where another manager owns what would change."""
    if not isinstance(applied, dict):
        raise ApiError(400, "BadRequest", "the body is no object", "send one Kubernetes object")
    _complete(call, applied)
    if not call.query.get("fieldManager"):
        raise ApiError(422, "Invalid", "fieldManager: Required value: is required for apply patch", "add fieldManager=ME")
    if applied["metadata"].pop("managedFields", None):
        raise ApiError(400, "BadRequest", "metadata.managedFields must be nil", "leave it out of what you apply")
    existed = call.store.latest(call.resource.stored, call.info.key) is not None
    entry = await call.store.apply(
        call.resource.kind,
        applied,
        subresource=call.info.subresource,
        writer=call.writer,
        force=call.query.get("force") in ("1", "true"),
        dry_run=call.dry_run,
        validation=call.validation,
    )
    return _answer(call, entry, 200 if existed else 201)


def _patched(kind: str, current: Object, given: Any, schema: dict[str, Any]) -> Any:
    if kind == "application/json-patch+json":
        return patch.json_patch(current, given)
    if kind == "application/merge-patch+json":
        return patch.merge(current, given)
    if kind == "application/strategic-merge-patch+json":
        return patch.strategic(current, given, schema)
    raise ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format: {kind}",
        "send application/merge-patch+json, json-patch+json, strategic-merge-patch+json or apply-patch+yaml",
    )


async def _object(call: Call) -> Object:
    obj = await json_body(call)
    if not isinstance(obj, dict):
        raise ApiError(400, "BadRequest", "the body is no object", "send one Kubernetes object")
    _complete(call, obj)
    return obj


def _complete(call: Call, obj: Object) -> None:
    """Checks that the object belongs to the URL it was sent to, and fills in what the URL says."""
    kind = call.resource.kind
    said = (obj.setdefault("apiVersion", kind.api_version), obj.setdefault("kind", kind.kind))
    if said != (kind.api_version, kind.kind):
        raise ApiError(
            400,
            "BadRequest",
            f"{said[1]} in version {said[0]} does not match the URL, which is of {kind.kind} in {kind.api_version}",
            "send it to its own URL",
        )
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise ApiError(400, "BadRequest", "metadata must be an object", "mend the manifest")
    if kind.namespaced:
        if meta.setdefault("namespace", call.info.namespace) != call.info.namespace:
            raise ApiError(
                400,
                "BadRequest",
                f"the namespace of the object ({meta['namespace']}) does not match the namespace on the "
                f"request ({call.info.namespace})",
                "send it to its own namespace",
            )
    else:
        meta.pop("namespace", None)


async def _delete_options(call: Call) -> dict[str, Any]:
    given = await json_body(call)
    options: dict[str, Any] = given if isinstance(given, dict) else {}
    preconditions = options.get("preconditions") or {}
    grace = options.get("gracePeriodSeconds", call.query.get("gracePeriodSeconds"))
    return {
        "uid": preconditions.get("uid"),
        "revision": preconditions.get("resourceVersion"),
        "propagation": options.get("propagationPolicy") or call.query.get("propagationPolicy") or "Background",
        "grace": int(grace) if grace is not None else None,
        "dry_run": call.dry_run or bool(options.get("dryRun")),
    }


def _fields_hold(fields: list[selectors.Requirement], entry: Entry) -> bool:
    obj = entry.object()
    values = {key: _field(obj, key) for key, _, _ in fields}
    return selectors.holds(fields, values)


def _field(obj: Any, path: str) -> str:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)


def _content_type(call: Call) -> str:
    return call.request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _parse_json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "BadRequest", f"the body is no JSON: {error}", "mend it where the message says") from error


def _parse_yaml(content: bytes) -> Any:
    try:
        return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, "BadRequest", f"the body is no YAML: {error}", "mend it where the message says") from error


def _too_large() -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"the body is larger than {MAX_BODY} bytes", "send less at once")
