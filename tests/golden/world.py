"""YAML of Kubernetes objects → a `World` that translations read, each object checked and defaulted as the store does.

`CERTIFICATE`, `KEY`, `CA` and `JWKS` stand in the YAML for what differs with every run; `real` puts fresh ones in, `unreal`
the words back.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from iiab_lab.engines.embedded.objects.kinds import Key, Kind
from iiab_lab.engines.embedded.objects.meta import Object, key_of, labels_of
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.engines.embedded.store import structural
from iiab_lab.engines.embedded.store.registry import Registry

REGISTRY = Registry.load()


class YamlWorld:
    def __init__(self, source: Path | str) -> None:
        """A file, or its text."""
        self.objects: dict[tuple[Kind, Key], Object] = {}
        for document in yaml.safe_load_all(source if isinstance(source, str) else source.read_text()):
            self.add(document)

    def add(self, obj: Object) -> None:
        resource = REGISTRY.for_object(obj)
        assert resource, f"{obj['apiVersion']} {obj['kind']} is not served"
        if obj["kind"] in ("ConfigMap", "SecurityPolicy"):  # the translation looks at key sets
            obj |= real(obj)
        text = obj.pop("stringData", {})
        if text:
            obj["data"] = {name: base64.b64encode(real(value).encode()).decode() for name, value in text.items()}
        assert not list(structural.unknown_fields(obj, resource.schema)), obj["metadata"]["name"]
        structural.default(obj, resource.schema)
        structural.check(obj, resource.schema, resource.kind.kind, resource.kind.group)
        self.objects[resource.stored, key_of(obj)] = obj

    def get(self, kind: Kind, key: Key) -> Object | None:
        return self.objects.get((kind, key))

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        wanted = (labels or {}).items()
        return [
            obj
            for (found, key), obj in self.objects.items()
            if found == kind and namespace in (None, key.namespace) and wanted <= labels_of(obj).items()
        ]

    def of_kind(self, kind: Kind) -> Object:
        """The first of its kind: the subject of the translation."""
        return self.list(kind)[0]


def real(value: Any) -> Any:
    """The same data with genuine certificates, keys and key sets in place of the words that stand for them."""
    text = json.dumps(value)
    for word, meant in _genuine().items():
        text = text.replace(f'"{word}"', json.dumps(meant))
    return json.loads(text)


def unreal(value: Any) -> Any:
    """Plain data without aliases that YAML would draw between equal parts, and with the words in place of what is genuine."""
    if isinstance(value, dict):
        return {name: unreal(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [unreal(item) for item in value]
    return next((word for word, meant in _genuine().items() if value == meant), value)


@cache
def _genuine() -> dict[str, str]:
    ca = pki.issue(pki.Request(3600, common_name="ca", is_ca=True, usages=("cert sign",)), None, time.time())
    issued = pki.issue(
        pki.Request(3600, dns_names=("a.example",)), pki.Authority(ca.chain, ca.key, ca.root), time.time()
    )
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True) | {"kid": "one", "alg": "RS256", "use": "sig"}
    return {"CERTIFICATE": issued.chain, "KEY": issued.key, "CA": ca.chain, "JWKS": json.dumps({"keys": [jwk]})}
