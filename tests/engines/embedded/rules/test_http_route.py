"""What goes together in an HTTPRoute or a Gateway: right ones pass, and each wrong one is named by its field."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules import gateway_listeners, http_route

REF = {"name": "web", "port": 80}
PREFIX = {"path": {"type": "PathPrefix", "value": "/a"}}
EXACT = {"path": {"type": "Exact", "value": "/a"}}


def of(*rules: Any, **spec: Any) -> list[tuple[str, str]]:
    return http_route.problems({"spec": {"rules": list(rules), **spec}})


def filters(*items: Any, of_backend: bool = False, **rule: Any) -> list[tuple[str, str]]:
    held = {"backendRefs": [{**REF, "filters": list(items)}]} if of_backend else {"filters": list(items)}
    return of({**held, **rule})


def redirect(**wanted: Any) -> Any:
    return {"type": "RequestRedirect", "requestRedirect": wanted}


def rewrite(**wanted: Any) -> Any:
    return {"type": "URLRewrite", "urlRewrite": wanted}


def mirror(**more: Any) -> Any:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": REF, **more}}


def path(kind: str, value: str) -> list[tuple[str, str]]:
    return of({"matches": [{"path": {"type": kind, "value": value}}]})


BY_PREFIX = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}}
CORS = {"type": "CORS", "cors": {"allowOrigins": ["*"]}}


@pytest.mark.parametrize(
    "found",
    [
        of({"backendRefs": [REF]}),
        of(parentRefs=[{"name": "a", "sectionName": "one"}, {"name": "a", "sectionName": "two"}, {"name": "b"}]),
        filters(rewrite(**BY_PREFIX), matches=[PREFIX], backendRefs=[REF]),
        filters(redirect(**BY_PREFIX), matches=[PREFIX]),
        filters(redirect(hostname="example.org")),
        filters(mirror(percent=10), mirror(fraction={"numerator": 1, "denominator": 3}), CORS, backendRefs=[REF]),
        filters(mirror(fraction={"numerator": 100})),
        path("RegularExpression", "a//b#["),
        path("Exact", "/a%20b/(c)"),
        of({"timeouts": {"request": "0s", "backendRequest": "10s"}}),
        of({"timeouts": {"request": "1m", "backendRequest": "60s"}}),
        of({"backendRefs": [{"name": "web", "kind": "Other"}]}),
    ],
)
def test_what_goes_together(found: list[tuple[str, str]]) -> None:
    assert found == []


@pytest.mark.parametrize(
    ("found", "field", "said"),
    [
        (of(parentRefs=[{"name": "a"}, {"name": "a", "sectionName": "s"}]), "spec.parentRefs", "must be specified"),
        (of(parentRefs=[{"name": "a"}, {"name": "a"}]), "spec.parentRefs", "must be unique"),
        (of(*[{"matches": [PREFIX] * 43}] * 3), "spec.rules", "must be less than 128"),
        (of({"backendRefs": [{"name": "web"}]}), "spec.rules[0].backendRefs[0]", "Must have port"),
        (filters(redirect(), backendRefs=[REF]), "spec.rules[0]", "must not be used together with backendRefs"),
        (filters(rewrite(**BY_PREFIX), matches=[EXACT]), "spec.rules[0]", "exactly one PathPrefix match"),
        (filters(rewrite(**BY_PREFIX), matches=[PREFIX, PREFIX]), "spec.rules[0]", "exactly one PathPrefix match"),
        (filters(rewrite(**BY_PREFIX), of_backend=True, matches=[EXACT]), "spec.rules[0]", "Within backendRefs"),
        (filters(rewrite(), redirect()), "spec.rules[0].filters", "May specify either"),
        (filters(rewrite(), rewrite()), "spec.rules[0].filters", "URLRewrite filter cannot be repeated"),
        (filters(CORS, CORS, of_backend=True), "spec.rules[0].backendRefs[0].filters", "CORS filter cannot be"),
        (filters({"type": "CORS"}), "spec.rules[0].filters[0]", "filter.cors must be specified"),
        (filters({**CORS, "urlRewrite": {}}), "spec.rules[0].filters[0]", "filter.urlRewrite must be nil"),
        (filters(rewrite(path={"type": "ReplaceFullPath"})), "spec.rules[0].filters[0].urlRewrite.path", "replaceFullPath must be specified"),
        (filters(rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/", "replacePrefixMatch": "/"}), matches=[PREFIX]), "spec.rules[0].filters[0].urlRewrite.path", "type must be 'ReplacePrefixMatch'"),
        (filters(mirror(percent=1, fraction={"numerator": 1})), "spec.rules[0].filters[0].requestMirror", "Only one of"),
        (filters(mirror(fraction={"numerator": 2, "denominator": 1})), "spec.rules[0].filters[0].requestMirror.fraction", "less than or equal"),
        (filters(mirror(backendRef={"name": "web"})), "spec.rules[0].filters[0].requestMirror.backendRef", "Must have port"),
        (filters({"type": "CORS", "cors": {"allowMethods": ["*", "GET"]}}), "spec.rules[0].filters[0].cors.allowMethods", "AllowMethods cannot contain '*'"),
        (path("Exact", "a"), "spec.rules[0].matches[0].path", "must be an absolute path"),
        (path("PathPrefix", "/a//b"), "spec.rules[0].matches[0].path", "must not contain '//'"),
        (path("PathPrefix", "/a/./b"), "spec.rules[0].matches[0].path", "must not contain '/./'"),
        (path("PathPrefix", "/a/%2f"), "spec.rules[0].matches[0].path", "must not contain '%2f'"),
        (path("PathPrefix", "/a/.."), "spec.rules[0].matches[0].path", "must not end with '/..'"),
        (path("Exact", "/a\nb"), "spec.rules[0].matches[0].path", "valid characters"),
        (of({"timeouts": {"request": "1s", "backendRequest": "1001ms"}}), "spec.rules[0].timeouts", "cannot be longer"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(found: list[tuple[str, str]], field: str, said: str) -> None:
    assert [(where, said in message) for where, message in found][:1] == [(field, True)]
    assert found[0][1].startswith('Invalid value: "')


TLS = {"certificateRefs": [{"name": "cert"}]}


@pytest.mark.parametrize(
    ("listeners", "said"),
    [
        ([{"port": 80, "protocol": "HTTP"}, {"port": 80, "protocol": "HTTP", "hostname": "a.example"}], ""),
        ([{"port": 443, "protocol": "HTTPS", "tls": TLS}], ""),
        ([{"port": 80, "protocol": "HTTP", "tls": TLS}], "tls must not be specified"),
        ([{"port": 80, "protocol": "HTTP"}] * 2, "Combination of port, protocol and hostname must be unique"),
        ([{"port": 443, "protocol": "HTTPS", "tls": {}}], "certificateRefs or options must be specified"),
    ],
)
def test_listeners(listeners: list[Any], said: str) -> None:
    found = gateway_listeners.problems({"spec": {"listeners": listeners}})
    assert said in found[0][1] if said else found == []
