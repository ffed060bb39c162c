"""Where one request ends and the next begins: two who read it differently let the second one in unseen.

A genuine token is sent along: what is tried is the framing. Of the smuggled request nothing may be answered.
"""

from __future__ import annotations

from ..attack import BROKEN, EDGE, FLOWER, H2, MODEL, TIER_2, Ask, Attack, Raw

_OWN, _OWN_H2 = Ask(), H2()
_HEAD = (
    "POST /v1/models/sklearn-iris:predict HTTP/1.1\nhost: localhost\nauthorization: Bearer <token:tenant-a>\n"
    "content-type: application/json\nx-request-id: <id>\n"
)
_SECOND = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
_NONE = f"0\r\n\r\n{_SECOND}"
# Counts streams of HTTP/2 that were reset for what they said; their connection goes on.
_MISREAD = 'envoy_http2_rx_messaging_error{namespace="envoy-gateway-system"}'
_CWE, _RFC = "CWE-444; CVE-2019-15605", "CWE-444; RFC 9112"


def _framed(id_: str, lines: str, tries: str, *statuses: str, body: str = FLOWER, source: str = _CWE) -> Attack:
    """Refused before it is a request."""
    return Attack(
        id_, "smuggling", source, tries, Raw(f"{_HEAD}{lines}\n\n", body), (EDGE,), statuses or ("400",), _OWN,
        hides="answers)", metric=BROKEN,
    )  # fmt: skip


def _read(id_: str, lines: str, tries: str, status: str, layer: str, body: str = FLOWER, source: str = _RFC) -> Attack:
    """A form that may be read in one way alone: it is, and means nothing more."""
    sent = Raw(f"{_HEAD}connection: close\n{lines}\n\n", body)
    return Attack(id_, "smuggling", source, tries, sent, (layer,), (status,), _OWN, hides="answers)")


def _h2(id_: str, tries: str, sent: H2, source: str = "CWE-444; RFC 9113 §8", metric: str = BROKEN) -> Attack:
    """Slow, as Envoy waits for a second before it closes."""
    name, ends = f"h2-{id_}", ("closed", "reset", "400")
    return Attack(name, "smuggling", source, tries, sent, (EDGE,), ends, _OWN_H2, metric=metric, slow=True)


_LENGTH, _CHUNKED = "content-length: <length>", "transfer-encoding: chunked"
_PATH = "/v1/models/sklearn-iris:predict"

ATTACKS = (
    _framed("cl-te", f"content-length: 5\n{_CHUNKED}", "a length and chunks: CL.TE", body=_NONE),
    _framed("te-cl", f"{_CHUNKED}\n{_LENGTH}", "chunks and a length: TE.CL"),
    _framed("two-lengths", f"{_LENGTH}\ncontent-length: 5", "two lengths that differ"),
    _framed("two-same-lengths", f"{_LENGTH}\n{_LENGTH}", "the same length twice", source=_RFC),
    _framed("length-list", "content-length: 37, 37", "two lengths in one header", source=_RFC),
    _framed("length-plus", "content-length: +37", "a length with a sign"),
    _framed("length-negative", "content-length: -1", "a negative length"),
    _framed("length-hex", "content-length: 0x25", "a hexadecimal length"),
    _framed("te-space", "transfer-encoding : chunked", "a space before the colon", body=_NONE),
    _framed("te-tab", "transfer-encoding: \x0bchunked", "a vertical tab before the value", body=_NONE),
    _framed("te-unknown", "transfer-encoding: xchunked", "an encoding that nobody knows", "400", "501", body=_NONE),
    _framed("te-list", "transfer-encoding: identity, chunked", "two encodings", "400", "501", body=_NONE),
    _framed("te-twice", f"{_CHUNKED}\ntransfer-encoding: identity", "two encodings in two headers", "400", "501", body=_NONE),
    _framed("nul", f"x-a: b\0c\n{_LENGTH}", "a NUL in a header", source="CWE-158"),
    _framed("name-space", f"x a: b\n{_LENGTH}", "a space in a header's name", source=_RFC),
    _framed("chunk-negative", _CHUNKED, "a chunk of negative size", body=f"-1\r\n{FLOWER}\r\n0\r\n\r\n"),
    _framed("chunk-overflow", _CHUNKED, "a chunk larger than every number", body=f"FFFFFFFFFFFFFFFFF\r\n{FLOWER}\r\n0\r\n\r\n"),
    _read("obs-fold", f"x-tenant: tenant-a\n tenant-b\n{_LENGTH}", "a header that goes on in the next line: both parts count", "403", EDGE),
    _read("obs-fold-hidden", f"x-a: b\n x-tenant: tenant-b\n{_LENGTH}", "a header hidden in the next line of another: it is none", "200", MODEL),
    _read("bare-cr", f"x-a: b\rx-tenant: tenant-b\n{_LENGTH}", "a header hidden behind a bare CR: it is none", "200", MODEL),
    _read("chunk-extension", _CHUNKED, "a chunk with an extension", "200", MODEL, body=f"25;a=b\r\n{FLOWER}\r\n0\r\n\r\n"),
    _read("trailer", _CHUNKED, "x-tenant after the body: it comes too late", "200", MODEL, body=f"25\r\n{FLOWER}\r\n0\r\nx-tenant: tenant-b\r\n\r\n"),
    Attack(
        "body-of-get", "smuggling", _CWE, "a request in the body of a GET",
        Raw(f"GET /v1/models/sklearn-iris HTTP/1.1\nhost: localhost\nauthorization: Bearer <token:tenant-a>\nx-request-id: <id>\n{_LENGTH}\n\n", _SECOND),
        (MODEL,), ("200",), Ask("/v1/models/sklearn-iris", "GET"), hides="answers)",
    ),
    Attack(
        "two-hosts", "smuggling", "RFC 9112 §3.2", "two hosts",
        Raw(f"{_HEAD}host: identity.inference-in-a-box\n{_LENGTH}\n\n"), (EDGE, TIER_2), ("400", "404", "502"), _OWN,
    ),
    Attack(
        "no-host", "smuggling", "RFC 9112 §3.2", "no host",
        Raw(_HEAD.replace("host: localhost\n", "") + f"{_LENGTH}\n\n"), (EDGE,), ("400",), _OWN,
    ),
    Attack(
        "old-version", "smuggling", "CWE-444", "HTTP/1.0, which knows no hosts",
        Raw(f"{_HEAD.replace('HTTP/1.1', 'HTTP/1.0')}{_LENGTH}\n\n"), (EDGE,), ("400", "426"), _OWN, metric=BROKEN,
    ),
    Attack(
        "upgrade-h2c", "smuggling", "CWE-444; h2c smuggling", "an upgrade to HTTP/2 in clear, past the filters",
        Raw(f"{_HEAD}upgrade: h2c\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\nconnection: upgrade, http2-settings\n{_LENGTH}\n\n"),
        (EDGE, MODEL), ("200", "400", "403"), _OWN, hides="answers)",
    ),
    Attack(
        "connect", "smuggling", "API7:2023", "a tunnel to the Kubernetes API",
        Raw("CONNECT <api-server> HTTP/1.1\nhost: <api-server>\nx-request-id: <id>\n\n", ""), (EDGE,), ("400", "403", "404"), _OWN,
    ),
    Attack(
        "trace", "smuggling", "CWE-693", "TRACE, which echoes what was sent",
        Ask(method="TRACE", body=""), (EDGE, MODEL), ("400", "404", "405"), _OWN,
    ),
    _h2("two-paths", "two paths", H2(added=((":path", "/ready"),))),
    _h2("two-methods", "two methods", H2(first=((":method", "GET"),))),
    _h2("no-path", "no path", H2(dropped=(":path",))),
    _h2("empty-path", "an empty path", H2(changed=((":path", ""),))),
    _h2("late", "a pseudo-header after the others", H2(dropped=(":path",), added=((":path", _PATH),))),
    _h2("unknown", "a pseudo-header that nobody knows", H2(first=((":x", "y"),))),
    _h2("capitals", "a name in capitals", H2(added=(("X-Tenant", "tenant-b"),))),
    _h2("connection", "a header of HTTP/1 connections", H2(added=(("connection", "close"),))),
    _h2("chunked", "chunks, which HTTP/2 has not", H2(added=(("transfer-encoding", "chunked"),)), "CVE-2021-32715; CWE-444"),
    _h2("line-in-value", "a whole line in a value", H2(added=(("x-a", "b\r\nx-tenant: tenant-b"),)), "CWE-93"),
    _h2("line-in-path", "a whole request in the path", H2(changed=((":path", f"{_PATH} HTTP/1.1\r\nhost: x\r\n\r\nGET /"),)), "CWE-93"),
    _h2("line-in-method", "a path in the method", H2(changed=((":method", "GET /smuggled HTTP/1.1"),)), "CWE-93"),
    _h2("nul", "a NUL in a value", H2(added=(("x-a", "b\0"),)), "CWE-158"),
    _h2("length", "a length that is not the body's", H2(added=(("content-length", "5"),)), metric=_MISREAD),
    _h2("two-lengths", "two lengths", H2(added=(("content-length", "37"), ("content-length", "5")))),
    _h2("userinfo", "a user in the authority", H2(changed=((":authority", "x@localhost"),))),
    Attack(
        "authority-between", "smuggling", "CWE-444; API4:2023", "a user in the Host: tier 2 refuses that request, and no other of its connection with the edge",
        Ask("/.well-known/jwks.json", "GET", bearer="", host="x@identity.inference-in-a-box"), (EDGE, TIER_2), ("400", "404", "502"),
        Ask("/.well-known/jwks.json", "GET", bearer="", host="identity.inference-in-a-box"),
    ),
)  # fmt: skip
