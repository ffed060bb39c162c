"""A Pod's spec and the ConfigMaps, Secrets and token it names → mounts, environment, arguments."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..objects.kinds import CONFIG_MAP, SECRET, Key, Kind
from ..objects.meta import Object
from ..objects.pods import containers_of
from ..objects.sandbox import Mount

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
Lookup = Callable[[Kind, Key], Object | None]


class Missing(Exception):
    """A ConfigMap, Secret or key that the Pod names is not there; `reason` is the kubelet's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def mounts(pod: Object, lookup: Lookup, account: Mapping[str, bytes]) -> tuple[Mount, ...]:
    """Raises Missing. `account` is the content of the projected service account directory, or empty."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    found: dict[tuple[str, str], Mount] = {}
    for container in containers_of(pod):
        for mount in container.get("volumeMounts") or ():
            name, path = mount["name"], mount["mountPath"].rstrip("/")
            if name not in volumes:
                raise Missing("FailedMount", f'volume "{name}" is not defined in the Pod')
            made, before = _mount(namespace, volumes[name], path, mount, lookup), found.get((name, path))
            found[name, path] = replace(made, read_only=made.read_only and (before is None or before.read_only))
    if account:
        found["kube-api-access", ACCOUNT_PATH] = Mount("kube-api-access", ACCOUNT_PATH, files=account)
    return tuple(found.values())


def _mount(namespace: str, volume: Object, path: str, mount: Object, lookup: Lookup) -> Mount:
    name, sub_path, read_only = volume["name"], mount.get("subPath", ""), bool(mount.get("readOnly"))
    if "configMap" in volume:
        source = volume["configMap"]
        files = _files(lookup, CONFIG_MAP, Key(namespace, source.get("name", "")), source)
        return Mount(name, path, files=files, read_only=True)
    if "secret" in volume:
        source = volume["secret"]
        files = _files(lookup, SECRET, Key(namespace, source.get("secretName", "")), source)
        return Mount(name, path, files=files, read_only=True)
    if "hostPath" in volume:
        return Mount(name, path, host=volume["hostPath"]["path"], sub_path=sub_path, read_only=read_only)
    source = volume.get("persistentVolumeClaim") or {}
    read_only = read_only or bool(source.get("readOnly"))
    return Mount(name, path, claim=source.get("claimName", ""), sub_path=sub_path, read_only=read_only)


def _files(lookup: Lookup, kind: Kind, key: Key, source: Object) -> dict[str, bytes]:
    obj = lookup(kind, key)
    if obj is None:
        if source.get("optional"):
            return {}
        raise Missing("FailedMount", f'{kind.kind.lower()} "{key.name}" not found')
    content = {name: base64.b64decode(value) for name, value in (obj.get("binaryData") or {}).items()}
    for name, value in (obj.get("data") or {}).items():
        content[name] = base64.b64decode(value) if kind == SECRET else value.encode()
    if "items" not in source:
        return content
    return {item["path"]: content[item["key"]] for item in source["items"] if item["key"] in content}


def environment(pod: Object, container: Object, lookup: Lookup) -> dict[str, str]:
    """Raises Missing. `$(NAME)` in a value stands for an earlier variable, as in Kubernetes."""
    made: dict[str, str] = {}
    for variable in container.get("env") or ():
        value = (
            _value_from(pod, variable["valueFrom"], lookup) if "valueFrom" in variable else variable.get("value", "")
        )
        made[variable["name"]] = expand(value, made)
    return made


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` → its value; unknown names stay, `$$(NAME)` escapes."""
    return re.sub(
        r"\$\$\(|\$\(([\w.-]+)\)",
        lambda found: "$(" if found[0] == "$$(" else variables.get(found[1], found[0]),
        text,
    )


def _value_from(pod: Object, source: Object, lookup: Lookup) -> str:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    field, kind = ("secretKeyRef", SECRET) if "secretKeyRef" in source else ("configMapKeyRef", CONFIG_MAP)
    reference = source[field]
    key = Key(pod["metadata"]["namespace"], reference.get("name", ""))
    data: dict[str, Any] = (lookup(kind, key) or {}).get("data") or {}
    if reference["key"] not in data:
        raise Missing("CreateContainerConfigError", f"couldn't find key {reference['key']} in {kind.kind} {key}")
    value: str = data[reference["key"]]
    return base64.b64decode(value).decode() if kind == SECRET else value


def _field(pod: Object, path: str) -> str:
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path):
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else str(value)
