"""One path in many spellings: whichever is taken, the policy that decides is that of the route it leads to.

Each is sent with a stranger's token. Where the edge reads it as the model's path, the owner's token passes in the same spelling.
"""

from __future__ import annotations

from ..attack import BROKEN, EDGE, PREDICT, Ask, Attack

_MODEL = "/v1/models/sklearn-iris"
_CWE_22, _CWE_436 = "API1:2023; CWE-22", "CWE-436; CVE-2019-9901"
_OWN = Ask()


def _same(id_: str, path: str, tries: str, source: str = _CWE_436) -> Attack:
    """Read as the plain path: refused by its policy."""
    return Attack(id_, "paths", source, tries, Ask(path, bearer="tenant-b"), (EDGE,), ("401",), Ask(path))


def _other(
    id_: str,
    path: str,
    tries: str,
    *statuses: str,
    source: str = _CWE_436,
    ask: Ask | None = None,
    metric: str = "",
) -> Attack:
    """Not read as the model's path at all."""
    sent = ask or Ask(path, bearer="tenant-b")
    return Attack(id_, "paths", source, tries, sent, (EDGE,), statuses or ("404",), _OWN, metric=metric)


ATTACKS = (
    _same("double-slash", f"/{PREDICT}", "two slashes in front"),
    _same("many-slashes", "/v1//models///sklearn-iris:predict", "slashes within"),
    _same("dot", "/./v1/./models/./sklearn-iris:predict", "segments that are a dot"),
    _same("dot-dot", "/v1/models/none/../sklearn-iris:predict", "back out of a model that nobody has", _CWE_22),
    _same("dot-dot-encoded", "/v1/models/none/%2e%2e/sklearn-iris:predict", "the same, its dots encoded", _CWE_22),
    _same("dot-dot-mixed", "/v1/models/none/.%2E/sklearn-iris:predict", "the same, one dot encoded", _CWE_22),
    _same("letters-encoded", "/%76%31/models/sklearn-iris:predict", "letters encoded"),
    _same("backslash", "\\v1\\models\\sklearn-iris:predict".replace("\\v1", "/v1"), "backslashes for slashes"),
    _same("query-dots", f"{PREDICT}?x=/../../ready", "dots in the query"),
    _same("absolute-form", f"http://localhost{PREDICT}", "the whole URL in the request line"),
    _same("absolute-other", f"http://elsewhere.example{PREDICT}", "the whole URL, with another host than the header's"),
    _other("semicolon", "/v1/models/sklearn-iris;x=1:predict", "a path parameter in the name"),
    _other("semicolon-end", f"{PREDICT};x", "a path parameter at the end"),
    _other("case", "/V1/MODELS/SKLEARN-IRIS:PREDICT", "capitals"),
    _other("trailing-dot", f"{PREDICT}.", "a dot at the end"),
    _other("trailing-slash", f"{PREDICT}/", "a slash at the end"),
    _other("trailing-space", f"{PREDICT}%20", "an encoded space at the end"),
    _other("nul", f"{PREDICT}%00", "an encoded NUL at the end", "400", "404", source="CWE-158"),
    _other("fragment", f"{PREDICT}#x", "a fragment", "400", source="CVE-2021-32779"),
    _other("colon-encoded", "/v1/models/sklearn-iris%3Apredict", "the colon encoded", "401", "404"),
    _other("slash-encoded", "/v1/models%2fsklearn-iris:predict", "a slash encoded: the client is told the plain path", "307"),
    _other("backslash-encoded", "/v1/models%5csklearn-iris:predict", "a backslash encoded", "307"),
    _other("dots-and-slash", "/..%2f..%2fv1/models/sklearn-iris:predict", "dots and encoded slashes", "307", source=_CWE_22),
    _other("twice-encoded", "/v1/models/none%252f..%252fsklearn-iris:predict", "encoded twice", source=_CWE_22),
    _other("overlong", "/%c0%ae%c0%ae/v1/models/sklearn-iris:predict", "dots in overlong UTF-8", source="CWE-176"),
    _other("to-metrics", f"{_MODEL}/%2e%2e/%2e%2e/%2e%2e/metrics", "out of the model, to its server's metrics", source=_CWE_22),
    _other("matrix-dots", f"{_MODEL}/..;/..;/..;/metrics", "dots with a parameter, which some servers drop", "401", "404",
           source="CVE-2020-5902"),
    _other("asterisk", "*", "the request target of OPTIONS", "400", "404", metric=BROKEN),
    _other("no-slash", PREDICT[1:], "a target that does not begin with a slash", "400", metric=BROKEN),
    _other("absolute-identity", f"http://identity.inference-in-a-box{PREDICT}", "the URL of a host that has no policy"),
    _other("key-to-another", "", "with one model's key, out of its path into another model's", "401", "404", source=_CWE_22,
           ask=Ask(f"/models/<victim>/../..{PREDICT}", bearer="", headers=(("x-api-key", "<key>"),),
                   host="api.router.inference-in-a-box")),
    _other("host-dot", "", "a dot after the host's name", "401", ask=Ask(bearer="tenant-b", host="localhost.")),
    _other("host-dot-prometheus", "", "a dot after Prometheus's name, whose policy is another's", "401", "404",
           ask=Ask("/api/v1/query?query=up", "GET", bearer="", host="prometheus.inference-in-a-box.")),
    _other("host-case-prometheus", "", "Prometheus's name in capitals", "401",
           ask=Ask("/api/v1/query?query=up", "GET", bearer="", host="PROMETHEUS.inference-in-a-box")),
    _other("host-port-prometheus", "", "Prometheus's name with a port", "401",
           ask=Ask("/api/v1/query?query=up", "GET", bearer="", host="prometheus.inference-in-a-box:1")),
)  # fmt: skip
