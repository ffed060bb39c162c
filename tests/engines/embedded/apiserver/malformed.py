"""Bodies that are no object, each wrong in its own way: (what is wrong, the bytes, the content type)."""

from __future__ import annotations

from .wire import JSON, YAML


def bomb(levels: int, sign: str = "") -> bytes:
    """Ten times ten times ten … of one small thing."""
    lines = ["a0: &a0 {k0: v}"]
    for level in range(1, levels):
        of = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{of}]}}" if sign else f"[{of}]"))
    return "\n".join(lines).encode()


FLAT = b"a: &a {" + b",".join(b"k%d: 1" % i for i in range(50_000)) + b"}\nb: {<<: [" + b"*a," * 50_000 + b"]}"

MALFORMED: list[tuple[str, bytes, str]] = [
    ("half an object", b'{"metadata": {', JSON),
    ("no JSON", b"metadata: {}", JSON),
    ("two values", b"{} {}", JSON),
    ("a list", b"[]", JSON),
    ("a word", b'"x"', JSON),
    ("a number", b"7", JSON),
    ("null", b"null", JSON),
    ("deep JSON", b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON),
    ("deep objects", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON),
    ("deep beyond repair", b"[" * 100_000, JSON),
    ("rather deep", b'{"metadata":{"name":"x"},"data":' + b'{"a":' * 200 + b"1" + b"}" * 201, JSON),
    ("not UTF-8", b'{"metadata": {"name": "x"}, "data": {"a": "\xff\xfe"}}', JSON),
    ("half a surrogate", b'{"metadata": {"name": "x"}, "data": {"a": "\\ud800"}}', JSON),
    ("NaN", b'{"metadata": {"name": "x"}, "data": {"a": NaN}}', JSON),
    ("Infinity", b'{"metadata": {"name": "x"}, "data": {"a": -Infinity}}', JSON),
    ("a null byte", b'{"metadata": {"name": "x"}\x00}', JSON),
    ("nothing but a mark", b"\xef\xbb\xbf", JSON),
    ("no YAML", b"metadata: {name: [", YAML),
    ("deep YAML", b"[" * 100_000, YAML),
    ("deep YAML, closed", b"a: " + b"[" * 3_000 + b"]" * 3_000, YAML),
    ("an alias bomb", bomb(9), YAML),
    ("a flat merge bomb", FLAT, YAML),
    ("an alias to itself", b"a: &a [*a]", YAML),
    ("a merge of itself", b"a: &a {<<: *a}\nb: *a", YAML),
    ("an unknown alias", b"a: *nothing", YAML),
    ("two documents", b"a: 1\n---\nb: 2\n", YAML),
    ("a tag of Python", b"!!python/object/apply:os.system ['true']", YAML),
    ("bytes", b"metadata: {name: x}\ndata: {a: !!binary aGk=}", YAML),
    ("a set", b"metadata: {name: x}\ndata: !!set {a}", YAML),
    ("NaN in YAML", b"metadata: {name: x}\ndata: {a: .nan}", YAML),
    ("a list as key", b"{[a, b]: c}", YAML),
    ("not UTF-8 in YAML", b"metadata: {name: \xff\xfe}", YAML),
    ("a control character", b"metadata: {name: \x01}", YAML),
]
