"""What an admin sees of the platform: nodes, namespaces, deployments, tenants, resources, logs; and a kubectl that only reads."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote

import yaml

from .callers import LABEL, Callers
from .edge import NAME, NAMESPACE, Edge
from .errors import Refused
from .platform import (
    DEPLOYMENT,
    GATEWAY,
    MODEL,
    NODE,
    POD,
    ROUTE,
    RUNTIME,
    SERVICE,
    Kind,
    Object,
    Platform,
    condition,
)
from .platform import NAMESPACE as NAMESPACES

VERBS = ("get", "describe", "logs", "top")
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
# Contents of Secrets are nobody's business here, whoever asks.
_HIDDEN = ("secrets", "secret")
_KINDS = {
    "pods": POD,
    "services": SERVICE,
    "gateways": GATEWAY,
    "httpRoutes": ROUTE,
    "virtualServices": Kind("networking.istio.io/v1", "VirtualService"),
    "istioGateways": Kind("networking.istio.io/v1", "Gateway"),
    "authorizationPolicies": Kind("security.istio.io/v1", "AuthorizationPolicy"),
    "peerAuthentications": Kind("security.istio.io/v1", "PeerAuthentication"),
    "inferenceServices": MODEL,
    "clusterServingRuntimes": RUNTIME,
}


class Admin:
    def __init__(self, platform: Platform, callers: Callers, edge: Edge) -> None:
        self._platform, self._callers, self._edge = platform, callers, edge

    def system(self) -> Object:
        return {
            "nodes": [_node(obj) for obj in self._platform.list(NODE)],
            "namespaces": [_namespace(obj) for obj in self._platform.list(NAMESPACES)],
            "deployments": [_deployment(obj) for obj in self._platform.list(DEPLOYMENT)],
        }

    def tenants(self) -> Object:
        listed = self._platform.list(NAMESPACES, labels=LABEL)
        return {"tenants": [_namespace(obj) | {"tenant": obj["metadata"]["labels"][LABEL]} for obj in listed]}

    def resources(self) -> Object:
        return {name: [_summary(obj) for obj in self._platform.list(kind)] for name, kind in _KINDS.items()}

    def gateway_service(self) -> Object:
        """Where the gateway is found: the original's ai-gateway-service."""
        own = f"gateway.envoyproxy.io/owning-gateway-name={NAME}"
        found = self._platform.list(SERVICE, NAMESPACE, own)
        if not found:
            raise Refused(404, "No gateway service found", "kubectl get gateway -A")
        plain, tls = self._edge.public(False), self._edge.public(True)
        return {
            "name": found[0]["metadata"]["name"],
            "namespace": NAMESPACE,
            "type": found[0]["spec"].get("type", "ClusterIP"),
            "ports": found[0]["spec"]["ports"],
            "externalIP": plain.host,
            "http": f"http://{plain.host}:{plain.port}",
            "https": f"https://{tls.host}:{tls.port}",
        }

    def logs(self, component: str, lines: int) -> list[str]:
        """The latest lines of every Pod whose name begins so, of the gateway's where none is named."""
        wanted = component or "envoy-"
        said: list[str] = []
        for pod in self._platform.list(POD):
            meta = pod["metadata"]
            if meta["name"].startswith(wanted):
                container = pod["spec"]["containers"][0]["name"]
                text = self._platform.logs(meta["name"], meta["namespace"], container, lines)
                said += [f"{meta['namespace']}/{meta['name']}: {line}" for line in text.splitlines()]
        return said

    def kubectl(self, command: str) -> str:
        """get, describe, logs and top, as words, never through a shell; raises 400 for anything else."""
        try:
            words = [word for word in shlex.split(command) if word != "kubectl"]
        except ValueError as error:
            raise Refused(400, "Command execution failed", f"the command cannot be read: {error}") from error
        if not words or words[0] not in VERBS:
            raise Refused(400, "Command execution failed", f"allowed are: {', '.join(VERBS)}")
        verb, options, names = _parsed(words)
        if verb == "logs":
            return self._logs(names, options)
        if verb == "top":
            raise Refused(400, "Command execution failed", "the metrics API is not installed on this platform")
        return self._shown(verb, names, options)

    def _logs(self, names: list[str], options: dict[str, str]) -> str:
        if not names:
            raise Refused(400, "Command execution failed", "name a Pod: logs POD -n NAMESPACE")
        lines = options.get("tail", "200")
        if not lines.isdecimal() or int(lines) > 10_000:
            raise Refused(400, "Command execution failed", "--tail takes a number up to 10000")
        pod = names[0].rpartition("/")[2]
        return self._platform.logs(pod, options.get("namespace", "default"), options.get("container", ""), int(lines))

    def _shown(self, verb: str, names: list[str], options: dict[str, str]) -> str:
        if not names:
            raise Refused(400, "Command execution failed", f"name a resource: {verb} pods -A")
        word, _, name = names[0].partition("/")
        name = name or (names[1] if len(names) > 1 else "")
        group, resource = self._resource(word)
        if resource["name"] in _HIDDEN and (verb == "describe" or options.get("output")):
            raise Refused(400, "Command execution failed", "the contents of Secrets are not shown here")
        namespace = "" if "all" in options else options.get("namespace", "default")
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace and resource["namespaced"] else ""
        path = f"{group}{inside}/{resource['name']}" + (f"/{quote(name, safe='')}" if name else "")
        if options.get("selector"):
            path += f"?labelSelector={quote(options['selector'])}"
        if verb == "get" and options.get("output", "") in ("", "wide"):
            return _table(self._platform.raw(path, _TABLE), "all" in options, wide=bool(options.get("output")))
        return str(yaml.safe_dump(self._platform.raw(path), sort_keys=False))

    def _resource(self, word: str) -> tuple[str, Object]:
        """A name as kubectl takes it → (the root of its URL, its discovery entry)."""
        wanted, _, group = word.lower().partition(".")
        for root in self._roots():
            for entry in self._platform.raw(root)["resources"]:
                known = {
                    entry["name"],
                    entry.get("singularName"),
                    entry["kind"].lower(),
                    *(entry.get("shortNames") or ()),
                }
                if wanted in known and "get" in entry["verbs"] and (not group or root.split("/")[2].startswith(group)):
                    return root, entry
        raise Refused(400, "Command execution failed", f"there is no resource type {word}")

    def _roots(self) -> list[str]:
        groups = self._platform.raw("/apis")["groups"]
        return ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]


def _parsed(words: list[str]) -> tuple[str, dict[str, str], list[str]]:
    """verb, options and the other words; an option that is not known is refused."""
    long = {"n": "namespace", "l": "selector", "c": "container", "o": "output"}
    options, names, rest = {}, [], iter(words[1:])
    for word in rest:
        if word in ("-A", "--all-namespaces"):
            options["all"] = "true"
            continue
        if not word.startswith("-"):
            names.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = long.get(name, name)
        if name not in (*long.values(), "tail"):
            raise Refused(400, "Command execution failed", f"the option {word} is not known here")
        options[name] = value if equals else next(rest, "")
    return words[0], options, names


def _table(table: Any, namespaces: bool, *, wide: bool) -> str:
    shown = [i for i, column in enumerate(table["columnDefinitions"]) if wide or column.get("priority", 0) == 0]
    rows = [[table["columnDefinitions"][i]["name"].upper() for i in shown]]
    rows += [[str(row["cells"][i]) for i in shown] for row in table.get("rows") or ()]
    if namespaces:
        places = ["NAMESPACE", *(row["object"]["metadata"].get("namespace", "") for row in table.get("rows") or ())]
        rows = [[place, *row] for place, row in zip(places, rows, strict=True)]
    if len(rows) == 1:
        return "No resources found.\n"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, ""])


def _node(obj: Object) -> Object:
    status = obj.get("status") or {}
    ready = condition(obj, "Ready").get("status") == "True"
    return {
        "name": obj["metadata"]["name"],
        "status": "Ready" if ready else "NotReady",
        "version": (status.get("nodeInfo") or {}).get("kubeletVersion", ""),
        "capacity": status.get("capacity") or {},
        "allocatable": status.get("allocatable") or {},
    }


def _namespace(obj: Object) -> Object:
    meta, phase = obj["metadata"], (obj.get("status") or {}).get("phase", "Active")
    return {"name": meta["name"], "status": phase, "created": meta["creationTimestamp"]}


def _deployment(obj: Object) -> Object:
    meta, status = obj["metadata"], obj.get("status") or {}
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "ready": status.get("readyReplicas", 0),
        "replicas": obj["spec"].get("replicas", 1),
        "available": status.get("availableReplicas", 0),
    }


def _summary(obj: Object) -> Object:
    meta = obj["metadata"]
    made = {"name": meta["name"], "namespace": meta.get("namespace", ""), "created": meta["creationTimestamp"]}
    held = [
        item for item in (obj.get("status") or {}).get("conditions") or () if item["type"] in ("Ready", "Programmed")
    ]
    made |= {"ready": held[0]["status"] == "True"} if held else {}
    spec = obj.get("spec") or {}
    return made | {name: spec[name] for name in ("hostnames", "hosts", "type", "gatewayClassName") if name in spec}
