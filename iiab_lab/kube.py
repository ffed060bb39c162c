"""A kubeconfig → a few verbs on the Kubernetes API, small enough to start in milliseconds.

What needs speed or no kubectl uses this: bootstrapping, status, the built-in `iiab kubectl`. Works with any
conformant API server. Notebooks and services use the official client.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import requests
import yaml

from . import kube_tls
from .errors import ApiError, LabError, NotReady, NotRunning, UsageError
from .kube_tls import Pinned

Object = dict[str, Any]
Condition = Callable[[Object], bool]


class Kube:
    """One session with one API server. `context` is a name in the kubeconfig, else its current one."""

    def __init__(self, kubeconfig: Path, context: str = "") -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy in the environment must not see loopback traffic
        self.server = self._read(kubeconfig, context)
        self._resources: dict[str, list[Object]] = {}

    def _read(self, path: Path, context: str) -> str:
        if not path.exists():
            raise NotRunning(f"There is no kubeconfig at {path}.", "start the platform: iiab up")
        config = yaml.safe_load(path.read_text())
        chosen = context or config.get("current-context", "")
        named = next((item["context"] for item in config.get("contexts", ()) if item["name"] == chosen), None)
        if named is None:
            names = ", ".join(item["name"] for item in config.get("contexts", ())) or "none"
            raise UsageError(
                f"The kubeconfig {path} has no context {chosen!r} (it has: {names}).", "pass --context NAME"
            )
        cluster = next(item["cluster"] for item in config["clusters"] if item["name"] == named["cluster"])
        user = next(item["user"] for item in config["users"] if item["name"] == named["user"])
        try:
            self.tls = kube_tls.context(cluster, user)
            self.session.mount("https://", Pinned(self.tls))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise UsageError(f"The certificates of {path} cannot be read: {error}", "mend the kubeconfig") from error
        if "token" in user:
            self.session.headers["Authorization"] = f"Bearer {user['token']}"
        return cluster["server"].rstrip("/")

    def raw(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request; raises NotRunning where nothing listens and ApiError with the server's own message."""
        options.setdefault("timeout", 30)
        try:
            answer = self.session.request(method, self.server + path, **options)
        except requests.exceptions.SSLError as error:
            raise UsageError(
                f"The API server {self.server} shows a certificate that the kubeconfig does not trust.",
                "use the kubeconfig of that cluster",
            ) from error
        except requests.ConnectionError as error:
            raise NotRunning(f"The API server {self.server} does not answer.", "start the platform: iiab up") from error
        except requests.Timeout as error:
            raise NotReady(f"The API server {self.server} did not answer in time.", "look at: iiab status") from error
        if answer.status_code >= 400:
            raise _api_error(answer)
        return answer

    def resource(self, api_version: str, kind: str) -> Object:
        """The discovery entry of a kind: its plural name and whether it is namespaced."""
        entries = self.discover(api_version)
        found = next((item for item in entries if item["kind"] == kind and "/" not in item["name"]), None)
        if found is None:
            raise UsageError(
                f'no matches for kind "{kind}" in version "{api_version}"',
                "see what is served: iiab kubectl api-resources",
            )
        return found

    def discover(self, api_version: str) -> list[Object]:
        if api_version not in self._resources:
            root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                self._resources[api_version] = self.raw("GET", root).json()["resources"]
            except ApiError as error:
                if error.code != 404:
                    raise
                raise UsageError(
                    f'no matches for version "{api_version}"', "see: iiab kubectl api-resources"
                ) from error
        return self._resources[api_version]

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
        entry = self.resource(api_version, kind)
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        scope = f"/namespaces/{namespace or 'default'}" if entry["namespaced"] and (namespace or name) else ""
        return f"{root}{scope}/{entry['name']}" + (f"/{name}" if name else "")

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            found: Object = self.raw("GET", self.path(api_version, kind, namespace, name)).json()
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found

    def list(self, api_version: str, kind: str, namespace: str = "", selector: str = "") -> list[Object]:
        parameters = {"labelSelector": selector} if selector else {}
        items: list[Object] = self.raw("GET", self.path(api_version, kind, namespace), params=parameters).json()[
            "items"
        ]
        return items

    def apply(self, obj: Object, dry_run: bool = False) -> str:
        """Server-side apply under the field manager `iiab` → created, configured or unchanged; or, with `dry_run`, nothing is
        written, and the API server says all the same what it would not take."""
        meta = obj["metadata"]
        path = self.path(obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"])
        before = self.get(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace", ""))
        answer = self.raw(
            "PATCH",
            path,
            data=json.dumps(obj),
            params={
                **({"dryRun": "All"} if dry_run else {}),
                "fieldManager": "iiab",
                "force": "true",
                "fieldValidation": "Strict",
            },
            headers={"Content-Type": "application/apply-patch+yaml"},
        ).json()
        if before is None:
            return "created"
        same = before["metadata"].get("resourceVersion") == answer["metadata"].get("resourceVersion")
        return "unchanged" if same else "configured"

    def merge(self, api_version: str, kind: str, name: str, namespace: str, patch: Object) -> Object:
        """A JSON merge patch, in which None takes a field away → the object as it is then."""
        path, sent = self.path(api_version, kind, namespace, name), {"Content-Type": "application/merge-patch+json"}
        found: Object = self.raw("PATCH", path, json=patch, headers=sent).json()
        return found

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        """What is not there is deleted already."""
        try:
            self.raw("DELETE", self.path(api_version, kind, namespace, name))
        except ApiError as error:
            if error.code != 404:
                raise

    def log(self, namespace: str, pod: str, **asked: str) -> str:
        """What a container wrote. `asked` are the subresource's parameters: container, tailLines, sinceTime, …"""
        return self.raw("GET", f"{self.path('v1', 'Pod', namespace, pod)}/log", params=asked).text

    def wait(
        self, obj: tuple[str, str, str, str], holds: Condition, *, what: str, timeout: float, cure: str = ""
    ) -> Object:
        """Watches (apiVersion, kind, namespace, name) until `holds`; NotReady tells what was seen last.

        Labels (`app=web,tier=edge`) in place of the name watch every such object, until one of them holds.
        """
        _, kind, namespace, name = obj
        deadline = time.monotonic() + timeout
        seen: Object | None = None
        while (left := deadline - time.monotonic()) > 0:
            for seen in self._states(obj, left):
                if seen is not None and holds(seen):
                    return seen
        raise NotReady(
            f"{kind} {namespace}/{name} was not {what} within {timeout:.0f} s: {describe(seen)}",
            cure or f"look at: iiab kubectl describe {kind.lower()} {name} -n {namespace}",
        )

    def _states(self, obj: tuple[str, str, str, str], seconds: float) -> Iterable[Object | None]:
        """Each state of one object as it comes, for at most so many seconds; None once it is deleted."""
        api_version, kind, namespace, name = obj
        parameters = {
            "watch": "1",
            **({"labelSelector": name} if "=" in name else {"fieldSelector": f"metadata.name={name}"}),
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        with contextlib.suppress(requests.RequestException):  # a cut watch is asked for again by the caller
            stream = self.raw(
                "GET", self.path(api_version, kind, namespace), params=parameters, stream=True, timeout=(5, seconds + 1)
            )
            with stream:
                for line in stream.iter_lines():
                    event = json.loads(line)
                    if event["type"] != "BOOKMARK":
                        yield None if event["type"] == "DELETED" else event["object"]


def documents(path: Path) -> Iterable[tuple[Path, Object]]:
    """Every YAML document of a file, or of the *.yaml files below a folder, in the order of their names."""
    if not path.exists():
        raise UsageError(f"There is no file or folder {path}.", "check the path")
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        try:
            loaded = list(yaml.load_all(file.read_text(), Loader=_loader()))
        except yaml.YAMLError as error:
            raise UsageError(f"{file} is no YAML: {error}", "mend the line it names") from error
        for document in loaded:
            if document is not None:
                yield file, document


def describe(obj: Object | None) -> str:
    """The conditions that do not hold, in one line, for a person who waits."""
    if obj is None:
        return "it does not exist"
    conditions = (obj.get("status") or {}).get("conditions") or []
    failed = [
        f"{item['type']}={item['status']}"
        + (f" ({item.get('reason', '')}: {item.get('message', '')})" if item.get("message") else "")
        for item in conditions
        if item["status"] != "True"
    ]
    return "; ".join(failed) or "no condition is set yet"


def has_condition(type_: str) -> Condition:
    return lambda obj: any(
        item["type"] == type_ and item["status"] == "True" for item in (obj.get("status") or {}).get("conditions") or ()
    )


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _api_error(answer: requests.Response) -> LabError:
    try:
        status = answer.json()
        return ApiError(answer.status_code, status.get("reason", ""), status.get("message", answer.text))
    except ValueError:
        return ApiError(answer.status_code, "", answer.text[:500] or answer.reason)
