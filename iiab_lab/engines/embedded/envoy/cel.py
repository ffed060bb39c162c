"""A CEL expression → the parsed form Envoy takes (cel.expr.ParsedExpr as JSON).

Envoy evaluates CEL but does not parse it. The parser is cel-python's; here its tree becomes Envoy's. Source: the CEL
specification, "Syntax" and `cel/expr/syntax.proto`.
"""

from __future__ import annotations

import ast
from itertools import count
from typing import Any

Expr = dict[str, Any]

_BINARY = {
    "conditionalor": "_||_",
    "conditionaland": "_&&_",
    "relation_lt": "_<_",
    "relation_le": "_<=_",
    "relation_gt": "_>_",
    "relation_ge": "_>=_",
    "relation_eq": "_==_",
    "relation_ne": "_!=_",
    "relation_in": "@in",
    "addition_add": "_+_",
    "addition_sub": "_-_",
    "multiplication_mul": "_*_",
    "multiplication_div": "_/_",
    "multiplication_mod": "_%_",
}
_UNARY = {"unary_not": "!_", "unary_neg": "-_"}


class NotCel(ValueError):
    """The text is no CEL, or uses a part of it (macros, literals of lists and maps) that the edge does not take."""


def parse(text: str) -> Expr:
    """Raises NotCel with the place of the mistake."""
    # Imported on first use: it costs a fifth of a second, and most platforms have no CEL policy at their start.
    from celpy.celparser import CELParseError, CELParser

    try:
        tree = CELParser().parse(text)
    except CELParseError as error:
        raise NotCel(f"{text!r} is no CEL expression: {error.args[0]}") from error
    return {"expr": _Builder().expr(tree)}


class _Builder:
    def __init__(self) -> None:
        self._ids = count(1)

    def expr(self, tree: Any) -> Expr:
        name, children = str(tree.data), tree.children
        if name in _BINARY and len(children) == 2:
            return self._binary(name, children)
        if name.startswith(("relation_", "addition_", "multiplication_", "unary_")):
            raise NotCel(f"{name} is not supported")
        if name == "unary" and len(children) == 2:
            return self._call(_UNARY[str(children[0].data)], [self.expr(children[1])])
        if name in ("literal", "ident"):
            return self._leaf(name, str(children[0]))
        if name in ("member_dot", "member_index", "member_dot_arg"):
            return self._member(name, children)
        if name in ("relation", "addition", "multiplication") and len(children) == 2:
            # The operator's own node holds the left side.
            left, right = children
            return self._call(_BINARY[str(left.data)], [self.expr(left.children[0]), self.expr(right)])
        if len(children) == 1:
            return self.expr(children[0])
        raise NotCel(f"{name} is not supported")

    def _binary(self, name: str, children: list[Any]) -> Expr:
        return self._call(_BINARY[name], [self.expr(child) for child in children])

    def _member(self, name: str, children: list[Any]) -> Expr:
        operand = self.expr(children[0])
        if name == "member_dot":
            return self._node(select_expr={"operand": operand, "field": str(children[1])})
        if name == "member_index":
            return self._call("_[_]", [operand, self.expr(children[1])])
        arguments = [self.expr(child) for child in children[2].children] if len(children) > 2 else []
        return self._node(call_expr={"target": operand, "function": str(children[1]), "args": arguments})

    def _leaf(self, name: str, text: str) -> Expr:
        if name == "ident":
            return self._node(ident_expr={"name": text})
        if text in ("true", "false"):
            return self._node(const_expr={"bool_value": text == "true"})
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise NotCel(f"the literal {text} is not supported") from error
        if isinstance(value, str):
            return self._node(const_expr={"string_value": value})
        return self._node(const_expr={"int64_value": value} if isinstance(value, int) else {"double_value": value})

    def _call(self, function: str, arguments: list[Expr]) -> Expr:
        return self._node(call_expr={"function": function, "args": arguments})

    def _node(self, **kind: Any) -> Expr:
        return {"id": str(next(self._ids)), **kind}
