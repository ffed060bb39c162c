"""PromQL of anybody → the same PromQL over one namespace's series: every selector gets one more matcher, and nothing else.

The text is parsed (promql-parser), and what the parser understood is written anew: of the caller's own text nothing reaches
Prometheus. What is not known here is refused, so a node, a function or a modifier of a later PromQL is no hole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import promql_parser as promql

LABEL = "namespace"
# The parser goes as deep as the text does, and so does the freeing of what it made: beyond some 10,000 levels it would take
# the whole process with it.
MOST = 4096

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPERATORS = "+ - * / % ^ atan2 == != < > <= >= and or unless"
_AGGREGATIONS = "sum min max avg group stddev stdvar count count_values bottomk topk quantile limitk limit_ratio"
# All that read the series they are given. `info` is not among them: it looks for series that no selector names.
_FUNCTIONS = """
    abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min cos cosh
    count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv double_exponential_smoothing exp floor
    histogram_avg histogram_count histogram_fraction histogram_quantile histogram_stddev histogram_stdvar histogram_sum hour
    idelta increase irate label_join label_replace last_over_time ln log10 log2 mad_over_time max_over_time min_over_time minute
    month pi predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_by_label
    sort_by_label_desc sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year
"""
# The parser's enumerations compare, but have no hash.
_MATCHES = (
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)
_CARDINALITIES = (
    (promql.VectorMatchCardinality.OneToOne, ""),
    (promql.VectorMatchCardinality.ManyToMany, ""),
    (promql.VectorMatchCardinality.ManyToOne, "group_left"),
    (promql.VectorMatchCardinality.OneToMany, "group_right"),
)
_MATCHINGS = ((promql.LabelModifierType.Include, "on"), (promql.LabelModifierType.Exclude, "ignoring"))
_GROUPINGS = ((promql.AggModifierType.By, "by"), (promql.AggModifierType.Without, "without"))
_MOMENTS = (
    (promql.AtModifierType.Start, "start()"),
    (promql.AtModifierType.End, "end()"),
    (promql.AtModifierType.At, ""),
)


class Unconfinable(ValueError):
    """The query is not valid, or holds what is not known here. The message ends with the cure."""


def query(text: str, namespace: str) -> str:
    """Raises Unconfinable."""
    try:
        return _Writer(namespace).written(_parsed(text))
    except RecursionError as error:
        raise Unconfinable("the query is nested too deeply → ask for its parts one by one") from error


def selector(text: str, namespace: str) -> str:
    """Of a `match[]`: series, and nothing that is made of them. Raises Unconfinable."""
    found = _parsed(text)
    if not isinstance(found, promql.VectorSelector) or found.offset is not None or found.at is not None:
        raise Unconfinable(f'{text[:80]!r} is no series selector → write NAME{{LABEL="VALUE"}}')
    return _Writer(namespace).written(found)


def everything(namespace: str) -> str:
    """The selector of all that the namespace has."""
    return f"{{{LABEL}={quoted(namespace)}}}"


def quoted(text: str) -> str:
    """As Go reads a string: JSON's escapes are all known to it."""
    return json.dumps(text, ensure_ascii=False)


def _parsed(text: str) -> Any:
    if len(text.encode()) > MOST:
        raise Unconfinable(f"a query has at most {MOST} bytes → ask for its parts one by one")
    try:
        return promql.parse(text)
    except ValueError as error:
        raise Unconfinable(f"{error} → mend the query") from error


class _Writer:
    def __init__(self, namespace: str) -> None:
        self._own = f"{LABEL}={quoted(namespace)}"
        self._kinds: dict[type, Callable[[Any], str]] = {
            promql.AggregateExpr: self._aggregation,
            promql.BinaryExpr: self._binary,
            promql.Call: self._call,
            promql.MatrixSelector: self._matrix,
            promql.NumberLiteral: lambda node: _number(node.val),
            promql.ParenExpr: lambda node: f"({self.written(node.expr)})",
            promql.StringLiteral: lambda node: quoted(node.val),
            promql.SubqueryExpr: self._subquery,
            promql.UnaryExpr: lambda node: f"-{self._operand(node.expr)}",
            promql.VectorSelector: lambda node: self._series(node) + _when(node),
        }

    def written(self, node: Any) -> str:
        write = self._kinds.get(type(node))
        if write is None:
            raise Unconfinable(f"{type(node).__name__} is not known here → ask without it")
        return write(node)

    def _series(self, node: Any) -> str:
        if node.matchers.or_matchers:
            raise Unconfinable("`or` between matchers is not PromQL → write the selectors side by side: a or b")
        name = [f"__name__={quoted(node.name)}"] if node.name is not None else []
        wanted = [f"{_label(one.name)}{_word(one.op, _MATCHES)}{quoted(one.value)}" for one in node.matchers.matchers]
        return f"{{{','.join([*name, *wanted, self._own])}}}"

    def _matrix(self, node: Any) -> str:
        series = node.vector_selector
        return f"{self._series(series)}[{_span(node.range)}]{_when(series)}"

    def _subquery(self, node: Any) -> str:
        step = "" if node.step is None else _span(node.step)
        return f"{self._operand(node.expr)}[{_span(node.range)}:{step}]{_when(node)}"

    def _call(self, node: Any) -> str:
        name = _known(node.func.name, _FUNCTIONS, "function")
        return f"{name}({', '.join(self.written(one) for one in node.args)})"

    def _aggregation(self, node: Any) -> str:
        name, by = _known(str(node.op), _AGGREGATIONS, "aggregation"), ""
        if node.modifier is not None:
            by = f" {_word(node.modifier.type, _GROUPINGS)} {_labels(node.modifier.labels)}"
        given = [node.expr] if node.param is None else [node.param, node.expr]
        return f"{name}{by} ({', '.join(self.written(one) for one in given)})"

    def _binary(self, node: Any) -> str:
        operator = _known(str(node.op), _OPERATORS, "operator")
        return f"{self._operand(node.lhs)} {operator}{_matching(node.modifier)} {self._operand(node.rhs)}"

    def _operand(self, node: Any) -> str:
        """What stands beside an operator keeps its place by parentheses, whatever binds stronger."""
        text = self.written(node)
        compound = isinstance(node, promql.BinaryExpr | promql.UnaryExpr | promql.NumberLiteral)
        return f"({text})" if compound else text


def _matching(modifier: Any) -> str:
    if modifier is None:
        return ""
    if modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None:
        raise Unconfinable("`fill` is not known here → write: (a or b * 0)")
    text = " bool" if modifier.return_bool else ""
    if modifier.matching is not None:
        text += f" {_word(modifier.matching.type, _MATCHINGS)} {_labels(modifier.matching.labels)}"
    if group := _word(modifier.card, _CARDINALITIES):
        text += f" {group} {_labels(modifier.group_labels or ())}"
    return text


def _when(node: Any) -> str:
    at = "" if node.at is None else f" @ {_moment(node.at)}"
    return at + ("" if node.offset is None else f" offset {_span(node.offset)}")


def _moment(at: Any) -> str:
    if named := _word(at.type, _MOMENTS):
        return named
    try:
        return f"{at.at.timestamp():.3f}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the parser panics at times before 1970
        raise Unconfinable("the time after @ is out of range → write seconds since 1970") from error


def _span(duration: timedelta) -> str:
    """Prometheus counts in milliseconds too."""
    return f"{duration // timedelta(milliseconds=1)}ms"


def _number(value: float) -> str:
    return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(text := repr(value), text)


def _labels(names: Iterable[str]) -> str:
    return f"({', '.join(map(_label, names))})"


def _label(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Unconfinable(f"{name[:80]!r} is no name of a label → use letters, digits and _")
    return name


def _known(word: str, words: str, what: str) -> str:
    if word not in words.split():
        raise Unconfinable(f"the {what} {word} is not known here → choose one of: {', '.join(words.split())}")
    return word


def _word(value: Any, words: Iterable[tuple[Any, str]]) -> str:
    for known, word in words:
        if known == value:
            return word
    raise Unconfinable(f"{value} is not known here → ask without it")
