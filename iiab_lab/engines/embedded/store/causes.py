"""What a JSON Schema validator found → (field, message), as a Kubernetes API server says it."""

from __future__ import annotations

from typing import Any

import orjson

Cause = tuple[str, str]

_BODY = {
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "exclusiveMinimum": "should be greater than {}",
    "exclusiveMaximum": "should be less than {}",
    "multipleOf": "should be a multiple of {}",
    "pattern": "should match '{}'",
    "minLength": "should be at least {} chars long",
    "minItems": "should have at least {} items",
    "minProperties": "should have at least {} properties",
    "uniqueItems": "shouldn't contain duplicates",
}
_TYPES = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (dict, "object"), (list, "array"))
# How a message begins → the reason that programs read.
_REASONS = {
    "Required value": "FieldValueRequired",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Duplicate value": "FieldValueDuplicate",
    "Too long": "FieldValueTooLong",
    "Too many": "FieldValueTooMany",
}


def cause(error: Any) -> Cause:
    """Of an error of jsonschema_rs."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path).lstrip(".")
    name, value, given = error.kind.name, error.kind.value, error.instance
    if name == "required":
        return f"{path}.{value}".lstrip("."), "Required value"
    where = path or "<root>"
    if name == "enum":
        return where, f"Unsupported value: {_text(given)}: supported values: {', '.join(map(_text, value))}"
    if name == "maxLength":
        return where, f"Too long: may not be more than {value} bytes"
    if name in ("maxItems", "maxProperties"):
        return where, f"Too many: {len(given)}: must have at most {value} items"
    if name == "type":
        wanted = value if isinstance(value, str) else ",".join(one for one in value if one != "null")
        return where, f'Invalid value: "{_type(given)}": {where} in body must be of type {wanted}: "{_type(given)}"'
    if name == "format":  # not what was given: it may be a secret
        return where, f"Invalid value: {where} in body must be of type {value}"
    said = f"{where} in body {_BODY[name].format(value)}" if name in _BODY else error.message
    return where, f"Invalid value: {_text(given)}: {said}"


def reason(message: str) -> str:
    """What kind of cause a message is of."""
    return _REASONS.get(message.partition(":")[0], "FieldValueInvalid")


def _text(value: Any) -> str:
    return orjson.dumps(value).decode() if not isinstance(value, dict | list) else f'"{_type(value)}"'


def _type(value: Any) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")
