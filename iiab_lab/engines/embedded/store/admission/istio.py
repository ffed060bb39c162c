"""VirtualServices and DestinationRules on their way in → or 422 for a wrong duration, as upstream's schema says it, or 400 with
the message of Istio's validating webhook."""

from __future__ import annotations

from collections.abc import Callable

from .....errors import ApiError
from ...objects.meta import Object
from ...rules.istio import destination_rule as rules_of_destinations
from ...rules.istio import virtual_service as rules_of_services
from ...rules.istio import words
from ..structural import invalid
from . import Admit, Plugin

_WEBHOOK = "validation.istio.io"
_TOO_SHORT = 'Invalid value: "string": must be a valid duration greater than 1ms'


def _validated(problems: Callable[[Object], list[str]]) -> Plugin:
    def check(admit: Admit) -> Object | None:
        obj = admit.object
        if obj is None or admit.subresource:
            return obj
        given = words.texts(obj.get("spec") or {}, "spec")
        wrong = [
            (path, _TOO_SHORT) for path, name, text in given if name in words.DURATIONS and not words.is_duration(text)
        ]
        if wrong:
            raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"].get("name", ""), wrong)
        if found := problems(obj):
            raise denied(found)
        return obj

    return check


virtual_service = _validated(rules_of_services.problems)
destination_rule = _validated(rules_of_destinations.problems)


def denied(found: list[str]) -> ApiError:
    why = f'admission webhook "{_WEBHOOK}" denied the request: configuration is invalid: {_text(found)}'
    return ApiError(400, "BadRequest", why)


def _text(found: list[str]) -> str:
    """As Go's multierror lists them."""
    if len(found) == 1:
        return found[0]
    return f"{len(found)} errors occurred:\n" + "".join(f"\t* {said}\n" for said in found) + "\n"
