"""Kubernetes objects as plain dicts, by the official dynamic client. Raises errors.Refused where the API refuses."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kubernetes import client, dynamic
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError

from .errors import Refused, of_api

Object = dict[str, Any]
MANAGER = "management"


class Kind(NamedTuple):
    api_version: str
    kind: str


NAMESPACE, NODE, POD = Kind("v1", "Namespace"), Kind("v1", "Node"), Kind("v1", "Pod")
SECRET, CONFIG_MAP, SERVICE = Kind("v1", "Secret"), Kind("v1", "ConfigMap"), Kind("v1", "Service")
DEPLOYMENT, ENDPOINTS = Kind("apps/v1", "Deployment"), Kind("discovery.k8s.io/v1", "EndpointSlice")
MODEL = Kind("serving.kserve.io/v1beta1", "InferenceService")
RUNTIME = Kind("serving.kserve.io/v1alpha1", "ClusterServingRuntime")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway")
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")
GRANT = Kind("gateway.networking.k8s.io/v1beta1", "ReferenceGrant")
SECURITY = Kind("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy")
TRAFFIC = Kind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy")
CERTIFICATE = Kind("cert-manager.io/v1", "Certificate")


class Platform:
    """Safe from any thread."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api
        # What the client finds out about kinds is nobody else's: its default is a file in the shared temporary folder.
        self._folder = tempfile.TemporaryDirectory(prefix="discovery-")
        self._dynamic = dynamic.DynamicClient(api, cache_file=f"{self._folder.name}/kinds.json")

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        try:
            return self._call(kind, "get", name=name, namespace=namespace or None)
        except DynamicApiError as error:
            if error.status == 404:
                return None
            raise of_api(error) from error

    def list(self, kind: Kind, namespace: str = "", labels: str = "") -> list[Object]:
        options = {"label_selector": labels} if labels else {}
        return self._refusing(lambda: self._call(kind, "get", namespace=namespace or None, **options)["items"])

    def create(self, obj: Object, **options: Any) -> Object:
        return self._written("create", obj, **options)

    def replace(self, obj: Object, **options: Any) -> Object:
        """Of the version that the object says, where it says one."""
        return self._written("replace", obj, **options)

    def apply(self, obj: Object, manager: str = MANAGER, **options: Any) -> Object:
        """Server-side: what this manager applied before and now leaves out goes."""
        meta = obj["metadata"]
        return self._written(
            "server_side_apply", obj, name=meta["name"], field_manager=manager, force_conflicts=True, **options
        )

    def delete(self, kind: Kind, name: str, namespace: str = "") -> bool:
        """False where it was gone already."""
        try:
            self._call(kind, "delete", name=name, namespace=namespace or None)
        except DynamicApiError as error:
            if error.status == 404:
                return False
            raise of_api(error) from error
        return True

    def states(self, kind: Kind, name: str, namespace: str, seconds: float) -> Iterator[Object]:
        """The object as it is, then each state as it comes, for at most so many seconds."""
        resource = self._dynamic.resources.get(api_version=kind.api_version, kind=kind.kind)
        chosen = {"namespace": namespace, "field_selector": f"metadata.name={name}"}
        try:
            for event in resource.watch(timeout=max(1, round(seconds)), **chosen):
                yield event["raw_object"]
        except DynamicApiError as error:
            raise of_api(error) from error

    def logs(self, pod: str, namespace: str, container: str, lines: int) -> str:
        """The last lines of a container."""
        core = client.CoreV1Api(self.api)
        try:
            text = core.read_namespaced_pod_log(pod, namespace, container=container or None, tail_lines=lines)
        except ApiException as error:
            raise of_api(error) from error
        return str(text)

    def address(self, namespace: str, service: str) -> str:
        """The URL of an endpoint of a Service that is ready; raises 503 where there is none."""
        for piece in self.list(ENDPOINTS, namespace, f"kubernetes.io/service-name={service}"):
            for endpoint in piece["endpoints"]:
                if (endpoint.get("conditions") or {}).get("ready"):
                    return f"http://{endpoint['addresses'][0]}:{piece['ports'][0]['port']}"
        raise Refused(503, f"{service} is not ready".capitalize(), f"kubectl get pods -n {namespace}")

    def raw(self, path: str, accept: str = "application/json") -> Any:
        """GET of any path of the API: tables, as kubectl prints them."""
        headers = {"Accept": accept}
        request = self.api.param_serialize("GET", path, header_params=headers, auth_settings=["BearerToken"])
        answer = self.api.call_api(*request)
        content = answer.read()
        if answer.status >= 400:
            raise of_api(ApiException(status=answer.status, reason=answer.reason, body=content))
        return json.loads(content)

    def _written(self, verb: str, obj: Object, **options: Any) -> Object:
        kind, namespace = Kind(obj["apiVersion"], obj["kind"]), obj["metadata"].get("namespace")
        return self._refusing(lambda: self._call(kind, verb, body=obj, namespace=namespace, **options))

    def _call(self, kind: Kind, verb: str, **options: Any) -> Object:
        resource = self._dynamic.resources.get(api_version=kind.api_version, kind=kind.kind)
        found: Object = getattr(resource, verb)(**options).to_dict()
        return found

    def _refusing(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except DynamicApiError as error:
            raise of_api(error) from error


def condition(obj: Object | None, type_: str) -> Object:
    found = ((obj or {}).get("status") or {}).get("conditions") or []
    return next((item for item in found if item["type"] == type_), {})
