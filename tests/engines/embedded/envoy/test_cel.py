"""CEL → the tree Envoy evaluates: cases whose tree says it all, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.envoy.cel import NotCel, parse


def shape(node: dict[str, Any]) -> Any:
    """The tree without its numbering."""
    if call := node.get("call_expr"):
        target = [shape(call["target"])] if "target" in call else []
        return (call["function"], *target, *map(shape, call.get("args", ())))
    if select := node.get("select_expr"):
        return (shape(select["operand"]), "." + select["field"])
    if name := node.get("ident_expr"):
        return name["name"]
    return next(iter(node["const_expr"].values()))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("true", True),
        ("a == 'x'", ("_==_", "a", "x")),
        ("!a", ("!_", "a")),
        ("a.b.c", (("a", ".b"), ".c")),
        ("a['k'] != 1", ("_!=_", ("_[_]", "a", "k"), 1)),
        ("a || b && c", ("_||_", "a", ("_&&_", "b", "c"))),
        ("'x' in a", ("@in", "x", "a")),
        ("1 + 2 * 3 < 8", ("_<_", ("_+_", 1, ("_*_", 2, 3)), 8)),
        ("a.startsWith('b')", ("startsWith", "a", "b")),
    ],
)
def test_the_tree(text: str, tree: Any) -> None:
    assert shape(parse(text)["expr"]) == tree


def test_every_node_has_an_id_of_its_own() -> None:
    def ids(node: Any) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in ids(item)]
        if not isinstance(node, dict):
            return []
        return ([node["id"]] if "id" in node else []) + [found for item in node.values() for found in ids(item)]

    found = ids(parse("a == 1 && b in c.d || !e"))
    assert len(found) == len(set(found)) > 8


@pytest.mark.parametrize("text", ["a ==", "((", "[1, 2]", "{'a': 1}", "", "a ? b : c"])
def test_what_the_edge_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(NotCel):
        parse(text)
