"""Headers that say who asks, whence, for what or how long: what a client writes there must mean nothing.

Two kinds: with another tenant's token the header must not open the door; with one's own it must not be believed, and the
access log, which is evidence, must not repeat it.
"""

from __future__ import annotations

import json
from dataclasses import replace

from .. import wire
from ..attack import BROKEN, EDGE, FLOWER, IDENTITY, MODEL, PREDICT, Ask, Attack, Headers, Outcome
from ..stage import Stage

_OWN = Ask()
_SPOOFED = "spoofed-by-a-client"
_KEYED = Ask(
    "/models/<victim>/predict", bearer="", headers=(("x-api-key", "<key>"),), host="api.router.inference-in-a-box"
)
# Of rows enough that no model answers within a millisecond: a timeout that is believed shows.
_LONG = Ask(body=json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 5000}))
_KEYS = Ask("/.well-known/jwks.json", "GET", bearer="", host="identity.inference-in-a-box")


def _opens(id_: str, source: str, tries: str, *headers: tuple[str, str], host: str = "localhost") -> Attack:
    """A stranger's token and a header; the owner's token with the same header passes unless the header is the lie itself."""
    sent = Ask(bearer="tenant-b", headers=headers, host=host)
    return Attack(id_, "headers", source, tries, sent, (EDGE,), ("401",), _OWN)


def _believed(
    id_: str, source: str, tries: str, *headers: tuple[str, str], hides: str = "", says: str = "", base: Ask = _OWN
) -> Attack:
    """One's own credentials and a lie: it passes, and the lie is nowhere."""
    sent = replace(base, headers=(*base.headers, *headers))
    layer = IDENTITY if base is _KEYS else MODEL
    return Attack(id_, "headers", source, tries, sent, (layer,), ("200",), base, hides=hides, says=says)


def _refused(
    id_: str, source: str, tries: str, headers: Headers, *statuses: str, base: Ask = _OWN, metric: str = ""
) -> Attack:
    sent = replace(base, headers=headers)
    return Attack(id_, "headers", source, tries, sent, (EDGE,), statuses, base, metric=metric)


def _answered(stage: Stage) -> Outcome:
    """One's own prediction: what the headers of its answer say."""
    sent = {
        "host": "localhost",
        "authorization": stage.fill("Bearer <token:tenant-a>"),
        "content-type": "application/json",
    }
    reply = wire.exchange(stage.door("edge").address, wire.framed("POST", PREDICT, [*sent.items()], FLOWER.encode()))
    return Outcome(reply.status, str(reply.headers), (reply.headers.get("x-request-id", ""),))


_IDENTITY, _TRUST, _LOG = "API2:2023; CWE-290", "API8:2023; CWE-348", "CWE-117"
_INGRESS = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"

ATTACKS = (
    _opens("jwt-tenant", _IDENTITY, "the header that carries the tenant, written by the client", ("x-jwt-tenant", "tenant-a")),
    _opens("tenant", _IDENTITY, "x-tenant of the owner, with a stranger's token", ("x-tenant", "tenant-a")),
    _opens("forwarded-for", _TRUST, "a request from this very machine, it says", ("x-forwarded-for", "127.0.0.1")),
    _opens("forwarded", _TRUST, "the same in RFC 7239's words", ("forwarded", "for=127.0.0.1;host=localhost")),
    _opens("envoy-internal", _TRUST, "a request from inside, it says", ("x-envoy-internal", "true")),
    _opens("client-cert", "CWE-290", "the ingress gateway's certificate, as a header",
           ("x-forwarded-client-cert", f"URI={_INGRESS}")),
    _opens("original-url", "CWE-436", "an open path in the line, the model's in a header", ("x-original-url", "/ready")),
    _opens("forwarded-host", "CWE-436", "the model's own host, as a header",
           ("x-forwarded-host", "sklearn-iris.tenant-a.example.com")),
    _opens("method-override", "CWE-436", "another method, as a header", ("x-http-method-override", "GET")),
    _opens("host", "API1:2023", "the model's own host, which tier 2 knows", host="sklearn-iris.tenant-a.example.com"),
    _opens("host-of-revision", "API1:2023", "the Service's name for a host",
           host="sklearn-iris-predictor.tenant-a.svc.cluster.local"),
    _refused("contradicting-tenant", _IDENTITY, "one's own token, and x-tenant of another",
             (("x-tenant", "tenant-b"),), "403"),
    _refused("two-tenants", "CWE-235", "x-tenant twice, the right one first",
             (("x-tenant", "tenant-a"), ("x-tenant", "tenant-b")), "403"),
    _refused("tenant-list", "CWE-235", "two tenants in one x-tenant", (("x-tenant", "tenant-a,tenant-b"),), "403"),
    _refused("underscore", "CWE-436; CVE-2015-0219", "x_tenant, which some servers read as x-tenant",
             (("x_tenant", "tenant-b"),), "400", metric=BROKEN),
    _refused("hop-by-hop-token", "CWE-444", "a Connection header that takes the token away",
             (("connection", "close, authorization"),), "401"),
    _believed("hop-by-hop-tenant", "CWE-444", "a Connection header that takes the tenant's claim away",
              ("connection", "close, x-jwt-tenant"), says="'tenant': 'tenant-a'"),
    _believed("claim-tenant", _LOG, "another tenant in the header that the edge fills", ("x-jwt-tenant", _SPOOFED), hides=_SPOOFED),
    _believed("claim-subject", _LOG, "another subject in the header that the edge fills", ("x-jwt-sub", _SPOOFED), hides=_SPOOFED),
    _believed("claim-no-policy", _LOG, "a tenant's name where no policy asks for one",
              ("x-jwt-tenant", _SPOOFED), ("x-jwt-sub", _SPOOFED), hides=_SPOOFED, base=_KEYS),
    _believed("client-id", _LOG, "a client's id where a token is asked for", ("x-client-id", _SPOOFED), hides=_SPOOFED),
    _believed("client-id-of-key", _LOG, "another client's id beside one's own key",
              ("x-client-id", _SPOOFED), hides=_SPOOFED, base=_KEYED),
    _refused("client-id-no-key", "API2:2023", "a client's id in place of a key", (("x-client-id", "<key-id>"),), "401", base=_KEYED),
    _refused("wrong-key", "API2:2023", "a key that begins as the right one", (("x-api-key", "<key>A"),), "401", base=_KEYED),
    _refused("key-in-query", "CWE-598", "the key under another header's name", (("authorization", "<key>"),), "401", base=_KEYED),
    _believed("original-path", _LOG, "another path for the log", ("x-envoy-original-path", f"/{_SPOOFED}"), hides=_SPOOFED),
    _believed("original-host", _LOG, "another host for the log", ("x-envoy-original-host", _SPOOFED), hides=_SPOOFED),
    _believed("request-id", _LOG, "a request id of one's own choice, which another request has", ("x-request-id", _SPOOFED), hides=_SPOOFED),
    _believed("timeout", "API8:2023", "Envoy's own timeout header: 1 ms", ("x-envoy-upstream-rq-timeout-ms", "1"), says="predictions", base=_LONG),
    _believed("per-try-timeout", "API8:2023", "Envoy's timeout of a try: 1 ms",
              ("x-envoy-upstream-rq-per-try-timeout-ms", "1"), says="predictions", base=_LONG),
    _believed("retries", "API4:2023", "Envoy's own retries: a thousand",
              ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "1000"), says="predictions"),
    _believed("activator", "API7:2023", "where the activator's proxy would send it: the Kubernetes API",
              ("x-activator-backend", "<api-server>"), ("x-activator-plain", "true"), says="predictions"),
    Attack("server-named", "headers", "API8:2023; CWE-200", "an answer, read for the software that gave it",
           _answered, (MODEL,), ("200",), _OWN, hides="'server'", says="'x-content-type-options': 'nosniff'"),
    _believed("model", "API1:2023", "another model, in the header that AI gateways route by",
              ("x-ai-eg-model", "other"), says="predictions"),
)  # fmt: skip
