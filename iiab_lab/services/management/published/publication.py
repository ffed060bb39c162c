"""What is published, as the ConfigMap beside the model remembers it: no secret is in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..platform import Object
from .config import Config


@dataclass(frozen=True)
class Key:
    """`expires` is when it stops to open, "" for never; times are RFC 3339. `limits` are its own, beside the model's."""

    id: str
    name: str
    owner: str
    secret: str
    created: str
    expires: str = ""
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Former:
    """A door that was replaced and stays open for a while."""

    host: str
    path: str
    until: str


@dataclass(frozen=True)
class Publication:
    model: str
    namespace: str
    tenant: str
    type: str
    config: Config
    keys: tuple[Key, ...]
    created: str
    updated: str
    former: tuple[Former, ...] = ()

    @property
    def host(self) -> str:
        return self.config.publicHostname

    @property
    def path(self) -> str:
        return self.config.externalPath or f"/published/models/{self.model}"

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.path}"

    @property
    def doors(self) -> list[tuple[str, str]]:
        """(host, path), the present one first."""
        return [(self.host, self.path), *((one.host, one.path) for one in self.former)]

    def with_key(self, key: Key) -> Publication:
        return replace(self, keys=(*self.keys, key))

    def dump(self) -> str:
        made = asdict(replace(self, config=None)) | {"config": self.config.model_dump()}  # type: ignore[arg-type]
        return json.dumps(made, indent=1)


def load(config_map: Object) -> Publication:
    said: dict[str, Any] = json.loads(config_map["data"]["publication.json"])
    keys = tuple(Key(**key) for key in said.pop("keys"))
    former = tuple(Former(**one) for one in said.pop("former"))
    config = Config.model_validate(said.pop("config"))
    return Publication(keys=keys, former=former, config=config, **said)
