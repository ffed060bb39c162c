"""kubectl's everyday verbs where kubectl is not installed: words → requests → the tables the API server makes.

get, describe, logs, apply, delete, wait, api-resources, version. Anything else is refused with what to install.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import yaml

from ..errors import ApiError, UsageError
from ..kube import Kube, Object, documents, has_condition

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"iiab kubectl: {message}", "install kubectl for all of it; built in: " + ", ".join(_VERBS))


def main(arguments: list[str], kubeconfig: Path) -> int:
    options = _parse(arguments)
    return _VERBS[options.verb](Kube(kubeconfig), options)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="iiab kubectl", allow_abbrev=False)
    parser.add_argument("verb", choices=_VERBS)
    parser.add_argument("words", nargs="*", help="TYPE [NAME] or TYPE/NAME")
    parser.add_argument("-n", "--namespace", default="default")
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("-o", "--output", default="", help="wide, yaml, json or name")
    parser.add_argument("-l", "--selector", default="")
    parser.add_argument("-f", "--filename", type=Path, help="a manifest")
    parser.add_argument("--follow", action="store_true", help="with logs, where -f says the same")
    parser.add_argument("-c", "--container", default="")
    parser.add_argument("--tail", type=int)
    parser.add_argument("--timestamps", action="store_true")
    parser.add_argument("-p", "--previous", action="store_true")
    parser.add_argument("--for", dest="wanted", default="")
    parser.add_argument("--timeout", default="30s")
    if "logs" in arguments:
        arguments = ["--follow" if word == "-f" else word for word in arguments]
    return parser.parse_intermixed_args(arguments)


def _served(kube: Kube) -> list[tuple[str, Object]]:
    """(apiVersion, discovery entry) of everything served, core first; of several versions of a kind, the preferred."""
    versions = ["v1"]
    for group in kube.raw("GET", "/apis").json()["groups"]:
        preferred = group["preferredVersion"]["groupVersion"]
        others = [version["groupVersion"] for version in group["versions"]]
        versions += [preferred, *(version for version in others if version != preferred)]
    found: dict[tuple[str, str], tuple[str, Object]] = {}
    for version in versions:
        for entry in kube.discover(version):
            if "/" not in entry["name"] and "get" in entry["verbs"]:
                found.setdefault((version.rpartition("/")[0], entry["name"]), (version, entry))
    return list(found.values())


def _find(kube: Kube, word: str) -> tuple[str, Object]:
    """`pods`, `po`, `Pod`, `services.serving.knative.dev` → (apiVersion, entry)."""
    name, _, group = word.lower().partition(".")
    for version, entry in _served(kube):
        names = {entry["name"], entry.get("singularName"), entry["kind"].lower(), *entry.get("shortNames", ())}
        if name in names and (not group or version.rpartition("/")[0].startswith(group)):
            return version, entry
    raise UsageError(f'the server doesn\'t have a resource type "{word}"', "iiab kubectl api-resources")


def _targets(kube: Kube, options: argparse.Namespace) -> list[tuple[str, Object, str]]:
    """What the words name: (apiVersion, entry, object name or "")."""
    if not options.words:
        raise UsageError("a resource type is missing", f"iiab kubectl {options.verb} pods -A")
    head, *names = options.words
    if "/" in head:
        pairs = [word.partition("/")[::2] for word in options.words]
        return [(*_find(kube, kind), name) for kind, name in pairs]
    return [(*_find(kube, kind), name) for kind in head.split(",") for name in names or [""]]


def _path(kube: Kube, version: str, entry: Object, name: str, options: argparse.Namespace) -> str:
    namespace = "" if options.all_namespaces else options.namespace
    return kube.path(version, entry["kind"], namespace if entry["namespaced"] else "", name)


def _qualified(version: str, entry: Object) -> str:
    """`pod`, `deployment.apps`: how kubectl names a kind beside an object's name."""
    group = version.rpartition("/")[0]
    return f"{entry['singularName']}.{group}" if group else str(entry["singularName"])


def _get(kube: Kube, options: argparse.Namespace) -> int:
    targets = _targets(kube, options)
    parameters = {"labelSelector": options.selector} if options.selector else {}
    if options.output not in ("", "wide"):
        found = [kube.raw("GET", _path(kube, *target, options), params=parameters).json() for target in targets]
        _print_objects(found, targets, options.output)
        return 0
    shown = 0
    for version, entry, name in targets:
        path = _path(kube, version, entry, name, options)
        table = kube.raw("GET", path, params=parameters, headers={"Accept": _TABLE}).json()
        prefix = _qualified(version, entry) + "/" if len(targets) > 1 else ""
        if shown and table.get("rows"):
            print()
        _print_table(
            table, options.output == "wide", namespaces=options.all_namespaces and entry["namespaced"], prefix=prefix
        )
        shown += len(table.get("rows") or ())
    if not shown:
        print("No resources found.", file=sys.stderr)
    return 0


def _print_table(table: Object, wide: bool, *, namespaces: bool, prefix: str) -> None:
    columns = [i for i, column in enumerate(table["columnDefinitions"]) if wide or column.get("priority", 0) == 0]
    header = [table["columnDefinitions"][i]["name"].upper() for i in columns]
    rows = [[str(row["cells"][i]) for i in columns] for row in table.get("rows") or ()]
    if not rows:
        return
    for row in rows:
        row[0] = prefix + row[0]
    if namespaces:
        header = ["NAMESPACE", *header]
        places = [row["object"]["metadata"].get("namespace", "") for row in table["rows"]]
        rows = [[place, *row] for place, row in zip(places, rows, strict=True)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_objects(found: list[Object], targets: list[tuple[str, Object, str]], output: str) -> None:
    if output == "name":
        for answer, (version, entry, _) in zip(found, targets, strict=True):
            for item in answer.get("items", [answer]):
                print(f"{_qualified(version, entry)}/{item['metadata']['name']}")
        return
    items = [item for answer in found for item in answer.get("items", [answer])]
    one = found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": items}
    if output == "json":
        print(json.dumps(one, indent=4))
    elif output == "yaml":
        print(yaml.safe_dump(one, sort_keys=False), end="")
    else:
        raise UsageError(f"the built-in kubectl knows no output {output!r}", "-o wide, yaml, json or name")


def _describe(kube: Kube, options: argparse.Namespace) -> int:
    for version, entry, name in _targets(kube, options):
        found = kube.raw("GET", _path(kube, version, entry, name, options)).json()
        for obj in found.get("items", [found]):
            obj["metadata"].pop("managedFields", None)
            print(yaml.safe_dump(obj, sort_keys=False))
            _print_events(kube, obj)
    return 0


def _print_events(kube: Kube, obj: Object) -> None:
    meta = obj["metadata"]
    events = kube.raw(
        "GET",
        kube.path("v1", "Event", meta.get("namespace", "default")),
        params={"fieldSelector": f"involvedObject.name={meta['name']},involvedObject.uid={meta['uid']}"},
    ).json()["items"]
    print("Events:" if events else "Events: <none>")
    for event in events:
        print(f"  {event['type']:<8} {event['reason']:<20} x{event.get('count', 1):<4} {event['message']}")


def _logs(kube: Kube, options: argparse.Namespace) -> int:
    if not options.words:
        raise UsageError("a Pod is missing", "iiab kubectl logs POD -n NAMESPACE [-c CONTAINER]")
    name = options.words[0].removeprefix("pod/").removeprefix("pods/")
    parameters = {
        "container": options.container,
        "tailLines": options.tail,
        **{flag: "true" for flag in ("previous", "follow", "timestamps") if getattr(options, flag)},
    }
    path = kube.path("v1", "Pod", options.namespace, name) + "/log"
    answer = kube.raw("GET", path, params=parameters, stream=True, timeout=(5, None))
    with answer, contextlib.suppress(KeyboardInterrupt):
        for piece in answer.iter_content(None):
            sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    return 0


def _apply(kube: Kube, options: argparse.Namespace) -> int:
    for obj in _manifest(options):
        obj["metadata"].setdefault("namespace", options.namespace)
        if not kube.resource(obj["apiVersion"], obj["kind"])["namespaced"]:
            obj["metadata"].pop("namespace")
        entry = kube.resource(obj["apiVersion"], obj["kind"])
        print(f"{_qualified(obj['apiVersion'], entry)}/{obj['metadata']['name']} {kube.apply(obj)}")
    return 0


def _manifest(options: argparse.Namespace) -> list[Object]:
    if options.filename is None:
        raise UsageError("must specify -f FILE", f"iiab kubectl {options.verb} -f manifests/models")
    if str(options.filename) == "-":
        return [obj for obj in yaml.safe_load_all(sys.stdin) if obj]
    return [obj for _, obj in documents(options.filename)]


def _delete(kube: Kube, options: argparse.Namespace) -> int:
    if options.filename is not None:
        for obj in reversed(_manifest(options)):
            meta = obj["metadata"]
            _delete_one(
                kube, kube.path(obj["apiVersion"], obj["kind"], meta.get("namespace", options.namespace), meta["name"])
            )
        return 0
    for version, entry, name in _targets(kube, options):
        if not name:
            raise UsageError("a name is missing", f"iiab kubectl delete {entry['singularName']} NAME")
        _delete_one(kube, _path(kube, version, entry, name, options))
    return 0


def _delete_one(kube: Kube, path: str) -> None:
    kind, name = path.split("/")[-2:]
    try:
        kube.raw("DELETE", path)
        print(f'{kind} "{name}" deleted')
    except ApiError as error:
        if error.code != 404:
            raise
        print(f"Error from server (NotFound): {error.message}", file=sys.stderr)


def _wait(kube: Kube, options: argparse.Namespace) -> int:
    condition = options.wanted.removeprefix("condition=")
    if not condition or condition == options.wanted:
        raise UsageError(
            "--for=condition=NAME is missing", "iiab kubectl wait --for=condition=Ready isvc/sklearn-iris -n tenant-a"
        )
    for version, entry, name in _targets(kube, options):
        if not name:
            raise UsageError(
                "a name is missing", f"iiab kubectl wait --for={options.wanted} {entry['singularName']}/NAME"
            )
        where = (version, entry["kind"], options.namespace if entry["namespaced"] else "", name)
        kube.wait(where, has_condition(condition), what=condition, timeout=_seconds(options.timeout))
        print(f"{_qualified(version, entry)}/{name} condition met")
    return 0


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        return float(text[:-1]) * units[text[-1]]
    except (KeyError, ValueError, IndexError):
        raise UsageError(f"--timeout does not understand {text!r}", "write 30s, 2m or 1h") from None


def _api_resources(kube: Kube, options: argparse.Namespace) -> int:
    del options
    for version, entry in _served(kube):
        print(f"{entry['name']:<28} {','.join(entry.get('shortNames', ())):<12} {version:<36} {entry['kind']}")
    return 0


def _version(kube: Kube, options: argparse.Namespace) -> int:
    del options
    print(f"Client: built into iiab\nServer Version: {kube.raw('GET', '/version').json()['gitVersion']}")
    return 0


_VERBS: dict[str, Callable[[Kube, argparse.Namespace], int]] = {
    "get": _get,
    "describe": _describe,
    "logs": _logs,
    "apply": _apply,
    "delete": _delete,
    "wait": _wait,
    "api-resources": _api_resources,
    "version": _version,
}
