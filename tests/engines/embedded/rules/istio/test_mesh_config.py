"""MeshConfig: providers that are served, and what is refused of them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.rules.istio import mesh_config

GOOD = {"service": "opa.policy.svc.cluster.local", "port": 9191}


def read(*providers: Any, **more: Any) -> dict[str, Any]:
    text = yaml.safe_dump({"extensionProviders": list(providers), **more})
    return mesh_config.providers({"data": {"mesh": text}})


def http(**settings: Any) -> dict[str, Any]:
    return {"name": "opa", "envoyExtAuthzHttp": GOOD | settings}


def test_a_provider_is_read_under_its_name() -> None:
    assert read(http(timeout="1m30s")) == {"opa": GOOD | {"timeout": "1m30s"}}
    assert mesh_config.providers(None) == mesh_config.providers({}) == read() == {}


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (http(service="127.0.0.1"), "NAME.NAMESPACE.svc.cluster.local"),
        (http(service="opa"), "NAME.NAMESPACE.svc.cluster.local"),
        (http(port=0), "port must be in the range [1, 65535], found: 0"),
        (http(port=True), "port: a int is needed"),
        (http(timeout="0s"), "no duration"),
        (http(statusOnError="99"), "unsupported statusOnError 99"),
        (http(pathPrefix="check"), "pathPrefix must begin with `/`"),
        (http(headersToUpstreamOnAllow=["*"]), "more than a star"),
        (http(includeAdditionalHeadersInCheck={"a b": "c"}), "names of headers"),
        (http(includeRequestBodyInCheck={"maxRequestBytes": 0}), "a number above 0"),
        (http(includeHeadersInCheck=["x"]), "unknown field 'includeHeadersInCheck'"),
        ({"name": "Opa", "envoyExtAuthzHttp": GOOD}, "lowercase letters"),
        ({"name": "opa", "envoyExtAuthzGrpc": GOOD}, "unknown field 'envoyExtAuthzGrpc'"),
        ({"name": "opa"}, "NAME.NAMESPACE.svc.cluster.local"),
        ("opa", "an object is needed"),
    ],
)
def test_what_is_not_served_is_refused(provider: Any, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read(provider)
    assert said in str(refused.value)


def test_two_of_one_name_and_another_setting_are_refused() -> None:
    with pytest.raises(ValueError, match="found duplicate: opa"):
        read(http(), http())
    with pytest.raises(ValueError, match="unknown field 'accessLogFile'"):
        read(accessLogFile="/dev/stdout")
    with pytest.raises(ValueError, match="mesh is no YAML"):
        mesh_config.providers({"data": {"mesh": "{"}})
