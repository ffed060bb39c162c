"""One request about a resource → the store → the bytes that answer it. Verbs of the Kubernetes API conventions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ....errors import ApiError
from ..objects import selectors
from ..objects.meta import Object
from ..store.fields.managers import Writer
from ..store.fields.paths import whole
from ..store.registry import Resource
from ..store.store import Store
from ..store.watch import Entry, expired
from . import bodies, patch, query, represent, status
from .authn import User
from .duplicates import duplicates
from .field_selectors import supported
from .info import Info
from .subresources import Approval


@dataclass
class Call:
    """Everything one request brings along."""

    request: Request
    info: Info
    user: User
    store: Store
    resource: Resource
    query: dict[str, str] = field(default_factory=dict)
    approval: Approval | None = None
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def form(self) -> represent.Form:
        return represent.form(self.request)

    @property
    def dry_run(self) -> bool:
        return query.dry_run(self.query)

    @property
    def writer(self) -> Writer:
        return Writer(query.field_manager(self.query, self.request.headers.get("user-agent", "")))

    @property
    def written(self) -> dict[str, Any]:
        """How a write is made, as the store's verbs take it."""
        approve = partial(self.approval, self) if self.approval else None
        made = {"writer": self.writer, "dry_run": self.dry_run, "validation": query.validation(self.query)}
        return made | {"approve": approve}


async def get(call: Call) -> Response:
    query.revision(call.query, call.store.revision)
    return represent.one(call, require(call))


async def list_(call: Call) -> Response:
    """All at once, or page by page: every page of one list is true at the revision of the first."""
    at, start = _revision(call)
    revision, entries = call.store.list(call.resource.stored, call.info.namespace or None, at)
    chosen = [entry for entry in filter(selected(call), entries) if start is None or entry.key > start]
    limit = query.number(call.query, "limit") or len(chosen)
    meta: Object = {"resourceVersion": str(revision)}
    if len(chosen) > limit:
        last = chosen[limit - 1].key
        meta |= {"continue": query.token(query.Page(revision, *last))}
        if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
            meta |= {"remainingItemCount": len(chosen) - limit}
    return represent.many(call, chosen[:limit], meta)


def _revision(call: Call) -> tuple[int | None, tuple[str, str] | None]:
    """(the revision to list at, or None for now; the key to go on after)."""
    page, match = query.page(call.query), call.query.get("resourceVersionMatch", "")
    if page:
        if call.query.get("resourceVersion", "0") != "0":
            raise ApiError(400, "BadRequest", "specifying resource version is not allowed when using continue")
        if not call.store.oldest <= page.revision <= call.store.revision:
            raise expired(page.revision, call.store.oldest)
        return page.revision, (page.namespace, page.name)
    if match and match not in ("Exact", "NotOlderThan"):
        raise status.invalid("resourceVersionMatch", f'Unsupported value: "{match}": use "Exact" or "NotOlderThan"')
    if match and not call.query.get("resourceVersion"):
        raise status.invalid(
            "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    at = query.revision(call.query, call.store.revision)
    return (at if match == "Exact" else None), None


async def create(call: Call) -> Response:
    obj = await _object(call)
    return represent.one(call, await call.store.create(call.resource.kind, obj, **call.written), 201)


async def update(call: Call) -> Response:
    obj = await _object(call)
    return represent.one(call, await _update(call, obj))


async def modify(call: Call) -> Response:
    """PATCH, by content type, onto the latest state: only a resourceVersion in the patch itself can conflict."""
    kind, content = bodies.content_type(call.request), await bodies.read(call.request)
    if kind == "application/apply-patch+yaml":
        return await _apply(call, await bodies.from_yaml(content))
    if call.query.get("force"):
        raise status.invalid("force", "Forbidden: may not be specified for non-apply patch")
    given = await bodies.off(bodies.from_json, content)
    current = _latest(call).object() | {"apiVersion": call.resource.kind.api_version}
    patched = _patched(call, kind, current, given)
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        raise ApiError(422, "Invalid", "the patch leaves no object with metadata", "patch fields below the top")
    return represent.one(call, await _update(call, patched))


async def delete(call: Call) -> Response:
    options = query.delete_options(call.query, await bodies.parsed(call.request))
    if call.approval:
        call.approval(call, None, require(call).object())
    entry = await call.store.delete(call.resource.kind, call.info.key, **options)
    if call.store.get(call.resource.stored, call.info.key):
        return represent.one(call, entry)  # finalizers or a grace period hold it, or it was a dry run
    meta = entry.object()["metadata"]
    kind = call.resource.kind
    return status.json(
        status.success(details={"name": meta["name"], "group": kind.group, "kind": kind.plural, "uid": meta["uid"]})
    )


async def delete_collection(call: Call) -> Response:
    options = query.delete_options(call.query, await bodies.parsed(call.request))
    _, entries = call.store.list(call.resource.stored, call.info.namespace or None)
    chosen = list(filter(selected(call), entries))
    for entry in chosen:
        if call.approval:
            call.approval(call, None, entry.object())
        try:
            await call.store.delete(call.resource.kind, entry.key, **options)
        except ApiError as error:
            if error.code != 404:  # somebody else was faster
                raise
    return represent.many(call, chosen, {"resourceVersion": str(call.store.revision)})


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
        fields = supported(call.resource, selectors.parse_fields(call.query.get("fieldSelector", "")))
    except ValueError as error:
        raise ApiError(400, "BadRequest", str(error), "write KEY=VALUE,…") from error
    if call.info.verb == "watch" and call.info.name:
        fields.append(("metadata.name", "in", (call.info.name,)))
    if not labels and not fields:
        return lambda entry: True
    return lambda entry: selectors.holds(labels, dict(entry.labels)) and _fields_hold(fields, entry)


async def _update(call: Call, obj: Object) -> Entry:
    _complete(call, obj)
    subresource = "status" if call.info.subresource == "status" else ""
    return await call.store.update(call.resource.kind, obj, subresource=subresource, **call.written)


async def _apply(call: Call, applied: Object) -> Response:
    """Creates what is missing, merges into what is there; 409 where another manager owns what would change."""
    if not isinstance(applied, dict):
        raise ApiError(400, "BadRequest", "the body is no object", "send one Kubernetes object")
    _complete(call, applied)
    if not call.query.get("fieldManager"):
        raise status.invalid("fieldManager", "Required value: is required for apply patch")
    if applied["metadata"].pop("managedFields", None):
        raise ApiError(400, "BadRequest", "metadata.managedFields must be nil", "leave it out of what you apply")
    existed = call.store.latest(call.resource.stored, call.info.key) is not None
    options: dict[str, Any] = {
        "subresource": call.info.subresource,
        "force": query.flag(call.query, "force"),
    } | call.written
    entry = await call.store.apply(call.resource.kind, applied, **options)
    return represent.one(call, entry, 200 if existed else 201)


def _patched(call: Call, kind: str, current: Object, given: Any) -> Any:
    if kind == "application/json-patch+json":
        return patch.json_patch(current, given)
    if kind == "application/merge-patch+json":
        return patch.merge(current, given)
    if kind == "application/strategic-merge-patch+json" and call.resource.native:
        return patch.strategic(current, given, whole(call.resource.schema))
    strategic = ["application/strategic-merge-patch+json"] if call.resource.native else []
    accepted = [
        "application/json-patch+json",
        "application/merge-patch+json",
        *strategic,
        "application/apply-patch+yaml",
    ]
    raise bodies.unsupported(kind, *accepted)


async def _object(call: Call) -> Object:
    kind, content = bodies.content_type(call.request), await bodies.read(call.request)
    obj = await bodies.decoded(kind, content)
    if not isinstance(obj, dict):
        raise ApiError(400, "BadRequest", "the body is no object", "send one Kubernetes object")
    if content and kind in bodies.JSON:
        await _mind_duplicates(call, content)
    _complete(call, obj)
    return obj


async def _mind_duplicates(call: Call, content: bytes) -> None:
    validation = query.validation(call.query)
    if validation == "Ignore":
        return
    doubled = [f'duplicate field "{path}"' for path in await bodies.off(duplicates, content)]
    if doubled and validation == "Strict":
        kind = call.resource.kind
        said = f"{kind.kind} in version {kind.version!r} cannot be handled: strict decoding error: {', '.join(doubled)}"
        raise ApiError(400, "BadRequest", said, "leave one of them")
    call.warnings += doubled


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
    if call.info.name:
        _agree(meta, "name", call.info.name)
    if kind.namespaced:
        _agree(meta, "namespace", call.info.namespace)
    else:
        meta.pop("namespace", None)


def _agree(meta: Object, field: str, url: str) -> None:
    meta[field] = meta.get(field) or url
    if meta[field] != url:
        raise ApiError(
            400,
            "BadRequest",
            f"the {field} of the object ({meta[field]}) does not match the {field} on the URL ({url})",
            "send it to its own URL",
        )


def _fields_hold(fields: list[selectors.Requirement], entry: Entry) -> bool:
    obj = entry.object()
    values = {key: _field(obj, key) for key, _, _ in fields}
    return selectors.holds(fields, values)


def _field(obj: Any, path: str) -> str:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return "" if obj is None else str(obj)
