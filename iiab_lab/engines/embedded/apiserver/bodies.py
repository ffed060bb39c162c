"""The bytes of a request → objects, within limits: 3 MB, 128 levels, no aliases that explode, UTF-8 and finite numbers.

JSON, YAML and Kubernetes' protobuf. Whatever is none of these ends in a Status a client understands (400, 413, 415).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import orjson
import yaml
from starlette.requests import Request

from ....errors import ApiError
from . import protobuf

MAX_BODY, MAX_DEPTH, MAX_NODES = 3 * 2**20, 128, 500_000
# A body above this size is parsed off the event loop: nobody else waits for it.
_LARGE = 64 * 1024
# Nodes per byte; without aliases there is less than one.
_GROWTH = 20
JSON = ("application/json", "")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Dates stay strings, as in Kubernetes' own YAML."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: Any) -> None:
        """Keys that are merged (`<<`) are copied: what they come to is counted before it is."""
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        parts = [
            part for value in merged for part in (value.value if isinstance(value, yaml.SequenceNode) else [value])
        ]
        for part in {id(part): part for part in parts if isinstance(part, yaml.MappingNode)}.values():
            self.flatten_mapping(part)
        if sum(len(part.value) for part in parts) > MAX_NODES:
            raise ApiError(400, "BadRequest", "the body contains excessive aliasing", "write the values out")
        super().flatten_mapping(node)


def content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read(request: Request) -> bytes:
    """The body; raises 413 past 3 MB without reading it whole."""
    declared = request.headers.get("content-length", "0")
    chunks, size = [], 0
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise _too_large()
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


async def parsed(request: Request, *also: str) -> Any:
    """The body by its content type; {} where it is empty. `also` are further types that hold JSON."""
    return await decoded(content_type(request), await read(request), *also)


async def decoded(kind: str, content: bytes, *also: str) -> Any:
    if kind in _YAML:
        return await from_yaml(content)
    if kind == protobuf.CONTENT_TYPE:
        return from_protobuf(content) if content else {}
    if kind not in (*JSON, *also):
        raise unsupported(kind, "application/json, application/yaml or application/vnd.kubernetes.protobuf")
    return await off(from_json, content) if content else {}


async def off(read: Callable[[bytes], Any], content: bytes) -> Any:
    """Nobody else waits while a large body is read."""
    return await asyncio.to_thread(read, content) if len(content) > _LARGE else read(content)


async def spec(request: Request) -> dict[str, Any]:
    """The spec of a body that is answered, never stored; raises 400 for what has none."""
    given = await parsed(request)
    found = given.get("spec", {}) if isinstance(given, dict) else None
    if not isinstance(found, dict):
        raise ApiError(400, "BadRequest", "the body is no object with a spec", 'send {"spec": {…}}')
    return found


def unsupported(kind: str, *instead: str) -> ApiError:
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(instead)}",
        f"send one of them, not {kind or 'nothing'}",
    )


def from_json(content: bytes) -> Any:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "BadRequest", f"the body is no JSON: {error}", "mend it where the message says") from error
    if content.count(b"{") + content.count(b"[") > MAX_DEPTH:
        _plain(value, len(content))
    return value


async def from_yaml(content: bytes) -> Any:
    """JSON is YAML too, and what most clients send as such."""
    try:
        return await off(from_json, content)
    except ApiError:
        return await off(_yaml, content)


def from_protobuf(content: bytes) -> Any:
    try:
        return protobuf.decode(content)
    except protobuf.Unknown as error:
        raise ApiError(415, "UnsupportedMediaType", str(error), "send application/json") from error
    except (protobuf.Malformed, RecursionError) as error:
        raise ApiError(
            400, "BadRequest", f"the body is no protobuf message: {error}", "send application/json"
        ) from error


def _yaml(content: bytes) -> Any:
    try:
        return _plain(yaml.load(content, Loader=_Loader), len(content))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise ApiError(400, "BadRequest", f"the body is no YAML: {error}", "mend it where the message says") from error


def _plain(value: Any, size: int) -> Any:
    """The same with keys as strings; raises 400 for what JSON cannot hold, too deep, or grown by aliases past its size."""
    left = min(MAX_NODES, 1000 + _GROWTH * size)

    def visit(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > MAX_DEPTH:
            raise ApiError(400, "BadRequest", f"the body is nested more than {MAX_DEPTH} levels", "send a flatter one")
        if left < 0:
            raise ApiError(400, "BadRequest", "the body contains excessive aliasing", "write the values out")
        if isinstance(node, dict):
            return {_key(key): visit(child, depth + 1) for key, child in node.items()}
        if isinstance(node, list):
            return [visit(child, depth + 1) for child in node]
        if isinstance(node, float) and not math.isfinite(node):
            raise ValueError(f"{node} is no number of JSON")
        if node is None or isinstance(node, str | int | float):
            return node
        raise ValueError(f"a {type(node).__name__} has no form in JSON")

    return visit(value, 1)


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, str | int | float):
        return str(key)
    raise ValueError(f"a key must be a string, not {key!r}")


def _too_large() -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}", "send less at once")
