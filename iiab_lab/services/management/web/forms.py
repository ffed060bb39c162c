"""A form as it was filled in → what a service takes; and what the service refuses → an error beside the field it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ..errors import Refused


@dataclass
class Filled:
    """`values` are kept as they were typed; `general` are the errors of no field."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "").strip()

    @property
    def wrong(self) -> bool:
        return bool(self.errors or self.general)

    def whole(self, name: str) -> int | None:
        """None for an empty field; what is no whole number is an error beside it."""
        text = self[name].replace(",", "").replace(" ", "")
        if not text:
            return None
        if not (text.isascii() and text.removeprefix("-").isdecimal()) or len(text) > 12:
            self.errors[name] = "must be a whole number"
            return None
        return int(text)

    def words(self, name: str) -> list[str]:
        return self[name].replace(",", " ").split()

    def data(self, name: str) -> Any:
        try:
            return json.loads(self[name])
        except ValueError as error:
            self.errors[name] = f"is not JSON: {error}"
            return None

    def refuse(self, error: Refused | ValidationError) -> Filled:
        """`field: message; field: message`, as services say it, goes to the fields; the rest stands above the form."""
        for name, message in _causes(error):
            if name in self.values:
                self.errors.setdefault(name, message)
            else:
                self.general.append(f"{name}: {message}" if name else message)
        return self


def filled(form: Mapping[str, Any], *names: str) -> Filled:
    """Of the fields named; a file is none of them."""
    found = {name: form.get(name, "") for name in names}
    return Filled({name: value if isinstance(value, str) else "" for name, value in found.items()})


def _causes(error: Refused | ValidationError) -> list[tuple[str, str]]:
    if isinstance(error, ValidationError):
        return [(str(one["loc"][-1]), one["msg"]) for one in error.errors()]
    if error.error != "Validation failed":
        return [("", f"{error.error}. {error.details}".strip())]
    causes = []
    for said in error.details.split("; "):
        place, found, message = said.partition(": ")
        causes.append((place.rpartition(".")[2], message) if found and " " not in place else ("", said))
    return causes
