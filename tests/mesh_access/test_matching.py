"""One value against one thing of a request: the notation, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.mesh_access import matching

IDENTITY = "cluster.local/ns/my.shop/sa/web"


@pytest.mark.parametrize(
    ("value", "given", "holds"),
    [
        ("/a.b", "/a.b", True),
        ("/a.b", "/aXb", False),
        ("/a*", "/a", True),
        ("*b", "/ab", True),
        ("*", "", False),
        ("*", None, False),
        ("a*b", "a*b", True),
        ("a*b", "aXb", False),
    ],
)
def test_text(value: str, given: str | None, holds: bool) -> None:
    assert matching.text(value, given) is holds


@pytest.mark.parametrize(
    ("value", "path", "holds"),
    [
        ("/v1/{*}", "/v1/a", True),
        ("/v1/{*}", "/v1/", False),
        ("/v1/{*}", "/v1/a/b", False),
        ("/v1/{**}", "/v1/a/b", True),
        ("/v1/{**}", "/v1/", True),
        ("/v1/{**}", "/v1", False),
        ("/{*}/x/{**}", "/a/x/b/c", True),
        ("/a/{**}/d", "/a/b/c/d", True),
        ("/a/{**}/d", "/a/b/c", False),
        ("/a.b/{*}", "/aXb/c", False),
        ("/{*}", '/"', False),
    ],
)
def test_a_template(value: str, path: str, holds: bool) -> None:
    assert matching.path(value, path) is holds


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("my.shop", True),
        ("my*", True),
        ("*shop", True),
        ("m*.*p", True),
        ("*a", False),
        ("myXshop", False),
        ("*", True),
    ],
)
def test_a_namespace(value: str, holds: bool) -> None:
    assert matching.namespace(value, IDENTITY) is holds
    assert not matching.namespace(value, "")


@pytest.mark.parametrize(
    ("value", "home", "holds"),
    [
        ("web", "my.shop", True),
        ("web", "other", False),
        ("my.shop/web", "other", True),
        ("my.shop/we", "my.shop", False),
    ],
)
def test_an_account(value: str, home: str, holds: bool) -> None:
    assert matching.account(value, IDENTITY, home) is holds


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("https://lab/ann", True),
        ("https://lab/*", True),
        ("*/ann", True),
        ("*", True),
        ("https*", True),
        ("https://*", False),
        ("*nn", True),
        ("*/bob", False),
        ("https://lab", False),
        ("ann", False),
    ],
)
def test_a_request_principal(value: str, holds: bool) -> None:
    assert matching.request_principal(value, {"iss": "https://lab", "sub": "ann"}) is holds
    for claims in (None, {}, {"iss": "https://lab"}, {"iss": "https://lab", "sub": 1}):
        assert not matching.request_principal(value, claims)


@pytest.mark.parametrize(
    ("path", "claims", "holds"),
    [
        (("a",), {"a": "x"}, True),
        (("a",), {"a": ["y", "x"]}, True),
        (("a", "b"), {"a": {"b": "x"}}, True),
        (("scope",), {"scope": "y x"}, True),
        (("a",), {"a": "y x"}, False),
        (("a", "b"), {"a": "x"}, False),
        (("a",), {"a": {"x": 1}}, False),
        (("a",), None, False),
    ],
)
def test_a_claim(path: tuple[str, ...], claims: dict[str, Any] | None, holds: bool) -> None:
    assert matching.claim("x", path, claims) is holds
