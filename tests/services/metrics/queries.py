"""Any PromQL: hypothesis' strategies for queries over the series of `prometheus.page`, those of other namespaces by every road.

What depends on the order in which Prometheus finds series (ties of topk, the last digit of a mean) is asked of plain series only.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .prometheus import METRICS, NAMESPACES, POINTS, STEP

Text = SearchStrategy[str]

RECORDED = ("everybody:requests", "namespace:requests")
_ANY_METRIC = (*METRICS, *RECORDED, *(f"only_{one}_total" for one in NAMESPACES))
_REGEXES = (
    ".*",
    ".+",
    "",
    "theirs",
    "mine|theirs",
    "(mine|others)",
    "t.*",
    "[^m].*",
    "^theirs$",
    "(?i)THEIRS",
    "pod-[01]",
)
_LABELS = ("namespace", "pod", "app", "only_theirs", "only_mine", "absent_label")
_SPANS = ("5s", "30s", "1m", "2m30s", "10m")


def _one(*words: str) -> Text:
    return st.sampled_from(words)


def _joined(*parts: Text | str) -> Text:
    return st.tuples(*(part if isinstance(part, SearchStrategy) else st.just(part) for part in parts)).map("".join)


_names = st.lists(_one(*_LABELS), max_size=3, unique=True).map(lambda names: f"({','.join(names)})")
_equal = _joined(_one(*_LABELS), _one("=", "!="), '"', _one(*NAMESPACES, "pod-0", "x", ""), '"')
_regex = _joined(_one(*_LABELS), _one("=~", "!~"), '"', _one(*_REGEXES), '"')
_matchers = st.lists(st.one_of(_equal, _regex), max_size=3).map(",".join)
_named = _joined(_one(*_ANY_METRIC), "{", _matchers, "}")
_nameless = _joined(
    '{__name__=~"', _one("only_.+", ".*_total", "(requests|errors)_total", "[a-z]+_(bytes|since)"), '",', _matchers, "}"
)
series = st.one_of(_named, _named, _nameless)
_offset = st.one_of(st.just(""), _joined(" offset ", _one("", "-"), _one(*_SPANS)))
_at = st.one_of(st.just(""), _one(" @ start()", " @ end()", *(f" @ NOW-{STEP * back}" for back in (0, 7, POINTS))))
_when = st.one_of(_joined(_offset), _joined(_at), _joined(_at, _offset))
_plain = _joined(series, _when)
_range = _joined(series, "[", _one(*_SPANS), "]", _when)
_over = _one(*(f"{name}_over_time" for name in ("sum", "min", "max", "avg", "count", "last", "present", "absent")))
_rates = _one("rate", "increase", "delta", "idelta", "irate", "changes", "resets", "deriv", "absent_over_time")
_number = _one("0", "1", "-2.5", "1e3", "Inf", "NaN", "time()", "scalar(requests_total)", "pi()")


def _deeper(vector: Text) -> Text:
    subquery = _joined("(", vector, ")[", _one("1m", "2m"), ":", _one("", "10s"), "]", _when)
    matching = st.one_of(st.just(""), _joined(_one(" on ", " ignoring "), _names))
    grouped = _joined(_one(" on ", " ignoring "), _names, _one(" group_left ", " group_right "), _names)
    return st.one_of(
        _joined("(", vector, ")"),
        _joined("-", "(", vector, ")"),
        _joined(_one("abs", "ceil", "sgn", "absent", "scalar", "sort", "timestamp", "hour"), "(", vector, ")").map(
            lambda text: f"vector({text})" if text.startswith("scalar") else text
        ),
        _joined("clamp_min(", vector, ",", _number, ")"),
        _joined(
            "label_replace(",
            vector,
            ',"',
            _one(*_LABELS),
            '","',
            _one(*NAMESPACES, "$1"),
            '","',
            _one(*_LABELS),
            '","(.*)")',
        ),
        _joined("label_join(", vector, ',"namespace","-","', _one(*_LABELS), '","app")'),
        _joined(_one("sum", "min", "max", "count", "group"), _one(" by ", " without "), _names, "(", vector, ")"),
        _joined(_over, "(", subquery, ")"),
        _joined("(", vector, ") ", _one("or", "and", "unless"), matching, " (", vector, ")"),
        _joined("(", vector, ") ", _one("+", "-", "*", "/", ">", "<= bool", "=="), matching, " (", vector, ")"),
        _joined("(", vector, ") ", _one("*", "+"), grouped, " (", vector, ")"),
        _joined("(", vector, ") ", _one("+", "*", "> bool", "^", "%"), " ", _number),
    )


_vector = st.one_of(
    _plain,
    _joined(_over, "(", _range, ")"),
    _joined(_rates, "(", _range, ")"),
    _joined(_one("topk", "bottomk"), "(", _one("1", "3", "scalar(count(requests_total))"), ",", _plain, ")"),
    _joined("quantile(0.5,", _plain, ")"),
    _joined('count_values("', _one(*_LABELS), '",', _plain, ")"),
    _joined("histogram_quantile(0.9,", _plain, ")"),
)
queries = st.one_of(_plain, _range, st.recursive(_vector, _deeper, max_leaves=6))
