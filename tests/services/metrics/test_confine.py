"""Every kind of PromQL there is comes out confined; what is not known is refused."""

from __future__ import annotations

import re

import promql_parser as promql
import pytest

from iiab_lab.services.metrics.confine import MOST, Unconfinable, query, selector

T = 'namespace="t"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", f'{{__name__="foo",{T}}}'),
        ('foo{a!="b",c=~"d.*",e!~"f|g"}', f'{{__name__="foo",a!="b",c=~"d.*",e!~"f|g",{T}}}'),
        ('{__name__=~".+"}', f'{{__name__=~".+",{T}}}'),
        # The caller's own word about the namespace stays, and both must hold.
        ('foo{namespace="other"}', f'{{__name__="foo",namespace="other",{T}}}'),
        ('foo{namespace=~".*"}', f'{{__name__="foo",namespace=~".*",{T}}}'),
        ('foo{namespace!="t"}', f'{{__name__="foo",namespace!="t",{T}}}'),
        ('foo{a="\\"} or bar{b=\\"\\n\\\\"}', f'{{__name__="foo",a="\\"}} or bar{{b=\\"\\n\\\\",{T}}}'),
        ("foo[5m]", f'{{__name__="foo",{T}}}[300000ms]'),
        ("foo offset 1h", f'{{__name__="foo",{T}}} offset 3600000ms'),
        ("foo offset -1500ms", f'{{__name__="foo",{T}}} offset -1500ms'),
        ("foo[1m] @ 1609746000.125 offset 5s", f'{{__name__="foo",{T}}}[60000ms] @ 1609746000.125 offset 5000ms'),
        ("foo @ start()", f'{{__name__="foo",{T}}} @ start()'),
        ("foo @ end()", f'{{__name__="foo",{T}}} @ end()'),
        (
            "max_over_time(rate(foo[5m])[1h:30s] offset 1d)",
            f'max_over_time(rate({{__name__="foo",{T}}}[300000ms])[3600000ms:30000ms] offset 86400000ms)',
        ),
        ("(foo - bar)[5m:]", f'({{__name__="foo",{T}}} - {{__name__="bar",{T}}})[300000ms:]'),
        ("sum by (a, b) (foo)", f'sum by (a, b) ({{__name__="foo",{T}}})'),
        ("sum(foo) without ()", f'sum without () ({{__name__="foo",{T}}})'),
        ("topk(scalar(bar), foo)", f'topk (scalar({{__name__="bar",{T}}}), {{__name__="foo",{T}}})'),
        ('count_values("namespace", foo)', f'count_values ("namespace", {{__name__="foo",{T}}})'),
        ("absent(foo)", f'absent({{__name__="foo",{T}}})'),
        (
            'label_replace(foo, "namespace", "other", "", "")',
            f'label_replace({{__name__="foo",{T}}}, "namespace", "other", "", "")',
        ),
        ("foo > bool 1", f'{{__name__="foo",{T}}} > bool (1.0)'),
        ("a and on (x) b", f'{{__name__="a",{T}}} and on (x) {{__name__="b",{T}}}'),
        ("a unless ignoring (x) b", f'{{__name__="a",{T}}} unless ignoring (x) {{__name__="b",{T}}}'),
        (
            "a * on (x) group_left (y, z) b",
            f'{{__name__="a",{T}}} * on (x) group_left (y, z) {{__name__="b",{T}}}',
        ),
        ("a / ignoring (x) group_right b", f'{{__name__="a",{T}}} / ignoring (x) group_right () {{__name__="b",{T}}}'),
        ("-foo ^ 2", f'-({{__name__="foo",{T}}} ^ (2.0))'),
        ("1 + 2 * 3", "(1.0) + ((2.0) * (3.0))"),
        ("Inf - NaN", "(Inf) - (NaN)"),
        ('"a\\"\\x41\\n"', '"a\\"A\\n"'),
        ("time()", "time()"),
    ],
)
def test_every_selector_is_confined_and_all_else_stays(text: str, expected: str) -> None:
    made = query(text, "t")
    assert made == expected
    promql.parse(made)
    assert query(made, "t").count(T) == 2 * made.count(T)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mend the query"),
        ("foo{", "mend the query"),
        ("{}", "mend the query"),
        ("nothing(foo)", "mend the query"),
        ("foo; bar", "mend the query"),
        ("foo # all of it\n}", "mend the query"),
        ("info(foo)", "function info"),
        ('info(foo, {namespace="other"})', "function info"),
        ('foo{a="b" or namespace="other"}', "`or` between matchers"),
        ("a + on () fill (0) b", "`fill`"),
        ('foo{"a.b"="c"}', "no name of a label"),
        ("foo @ -5", "out of range"),
        ("foo @ 1e12", "out of range"),
        ("(" * 900 + "foo" + ")" * 900, "nested too deeply"),
        ("-" * (MOST - 3) + "foo", "nested too deeply"),
        ("foo" + "+foo" * (MOST // 4 - 1), "nested too deeply"),
        ("foo" + " " * MOST, f"at most {MOST} bytes"),
    ],
)
def test_what_is_not_valid_or_not_known_is_refused_with_the_cure(text: str, says: str) -> None:
    with pytest.raises(Unconfinable, match=re.escape(says)) as raised:
        query(text, "t")
    assert " → " in str(raised.value)


@pytest.mark.parametrize(
    "text", ["foo[5m]", "foo offset 5m", "foo @ 5", "sum(foo)", "foo or bar", "1", '"foo"', "(foo)"]
)
def test_a_match_takes_series_alone(text: str) -> None:
    with pytest.raises(Unconfinable, match="no series selector → "):
        selector(text, "t")
    assert selector('foo{a="b"}', "t") == f'{{__name__="foo",a="b",{T}}}'


def test_a_namespace_is_a_string_to_it_whatever_it_holds() -> None:
    assert query("foo", 'a"} or {b="') == '{__name__="foo",namespace="a\\"} or {b=\\""}'
