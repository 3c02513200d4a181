"""The small faults that `make mutate` puts into a file: one operator, number, constant, condition or keyword each."""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from tests.support.mentions import bound

# A boundary and a reversal for each: the first is what a careless edit makes of it, the second what a wrong one does.
_COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<", "<=", ">="),
    ast.LtE: ("<=", "<", ">"),
    ast.Gt: (">", ">=", "<="),
    ast.GtE: (">=", ">", "<"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_COMBINED: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
# Arguments that are read by people: their wording is not flipped.
_WORDED = {"fault", "got", "expected", "why", "fix", "what", "help", "reason", "epilog", "metavar"}
_WORDED |= {"comment", "description"}
# zip's own check of lengths, what is tested for all dataclasses at once, and how much a cache remembers.
_LEFT = {"strict", "frozen", "maxsize"}
_TYPES = {"str", "int", "float", "bytes", "list", "dict", "tuple", "set", "frozenset", "type"}
# Two words are wording; a name, a path, an action or an operator of IAM holds no space.
_WORDS = re.compile(r"[\w`'\"),.:;}] [\w`'\"({]|…")

# A number in the bounds of a regular expression, such as {2,64}.
_BOUND = re.compile(r"(?<=[{,])\d+(?=(,\d*)?\})")


class Flip(NamedTuple):
    """
    One fault.

    Attributes:
        line: The line it stands on, from 1.
        since: The first line of its statement.
        until: The last line of its statement, or of the head of one that holds others.
        start: Where the replaced text starts, in bytes.
        end: Where it ends.
        old: The replaced text, on one line.
        new: What takes its place.
        names: What the statement binds where it runs at import; empty in a function's body.
        function: The name of the function around it, or of the class whose `__init__` or the like it is.
    """

    line: int
    since: int
    until: int
    start: int
    end: int
    old: str
    new: str
    names: frozenset[str]
    function: str

    def apply(self, source: bytes) -> bytes:
        """Return the source with the fault in it."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def flips(source: bytes) -> list[Flip]:
    """Return every fault that can be put into a file and leaves it readable as Python, in order."""
    found = {(flip.start, flip.end, flip.new): flip for flip in _Finder(source).all()}
    return [found[key] for key in sorted(found) if _parses(found[key].apply(source))]


def _parses(source: bytes) -> bool:
    with suppress(SyntaxError):
        return bool(ast.parse(source))
    return False


class _Finder:
    """Walks a file's tree and turns nodes into faults."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._names: frozenset[str] = frozenset()
        self._in_function = False
        self._function = ""
        self._lines = (1, 1)

    def all(self) -> Iterator[Flip]:
        """Yield every fault; one that Python cannot read may be among them."""
        yield from self._visit(ast.parse(self._source), worded=False)

    def _visit(self, node: ast.AST, *, worded: bool) -> Iterator[Flip]:
        if _is_skipped(node):
            return
        before = self._names, self._in_function, self._lines, self._function
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            self._function = node.name
        self._lines = _lines(node) or self._lines
        self._names = frozenset() if self._in_function else self._names | bound(node)
        worded = worded or _is_read_by_people(node)
        if not (isinstance(node, ast.Constant | ast.JoinedStr) and (worded or _is_wording(node))):
            yield from self._of(node, worded=worded)
        for name, child in _children(node):
            in_body = name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            kept, self._in_function = self._in_function, self._in_function or in_body
            yield from self._visit(child, worded=worded)
            self._in_function = kept
        self._names, self._in_function, self._lines, self._function = before

    def _of(self, node: ast.AST, *, worded: bool) -> Iterator[Flip]:
        match node:
            case ast.Compare():
                operands = [node.left, *node.comparators]
                for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
                    old, *new = _COMPARED[type(operator)]
                    yield from self._between(left, right, old, *new)
            case ast.BoolOp():
                old, new_word = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self._between(left, right, old, new_word)
            case ast.BinOp() if type(node.op) in _COMBINED and not _joins_text(node):
                yield from self._between(node.left, node.right, *_COMBINED[type(node.op)])
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield self._whole(node, f"({self._text(node.operand)})")
            case ast.If() | ast.While() | ast.IfExp() if not _flips_itself(node.test):
                yield self._whole(node.test, f"(not ({self._text(node.test)}))")
            case ast.comprehension():
                yield from (self._whole(test, "True") for test in node.ifs)
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield self._whole(value, "None")
            case ast.Break() | ast.Continue():
                yield self._whole(node, "continue" if isinstance(node, ast.Break) else "break")
            case ast.Call() if not worded:
                parts = [*node.args, *node.keywords]
                named = [part for part in node.keywords if part.arg and part.arg not in {*_WORDED, *_LEFT}]
                yield from (self._without(parts, part) for part in named)
            case ast.List(elts=[_, _, *_] as parts) | ast.Set(elts=[_, _, *_] as parts):
                yield from (self._without(parts, part) for part in parts)
            case ast.Constant() | ast.JoinedStr():
                yield from (self._whole(node, text) for text in _other_values(node))

    def _between(self, left: ast.expr, right: ast.expr, old: str, *new: str) -> Iterator[Flip]:
        """Yield the faults of an operator that stands between two operands."""
        start, end = self._end(left), self._start(right)
        pattern = rb"\s+".join(re.escape(word).encode() for word in old.split())
        if found := re.search(pattern, self._source[start:end]):
            for text in new:
                yield self._flip(left, start + found.start(), start + found.end(), text, old)

    def _without(self, parts: Sequence[ast.AST], part: ast.AST) -> Flip:
        """Return the fault that drops one part of a list, with the comma before or behind it."""
        at = [id(one) for one in parts].index(id(part))
        start = self._end(parts[at - 1]) if at else self._start(part)
        last = len(parts) == 1
        end = self._end(part) if at or last else self._start(parts[1])
        return self._flip(part, start, end, "", self._text(part))

    def _whole(self, node: ast.AST, new: str) -> Flip:
        return self._flip(node, self._start(node), self._end(node), new, self._text(node))

    def _flip(self, node: ast.AST, start: int, end: int, new: str, old: str) -> Flip:
        line = next(number for number, first in enumerate(self._starts) if first > start)
        line = max(line, getattr(node, "lineno", line)) if not new else line
        return Flip(line, *self._lines, start, end, " ".join(old.split()), new, self._names, self._function)

    def _start(self, node: Any) -> int:
        return int(self._starts[node.lineno - 1] + node.col_offset)

    def _end(self, node: Any) -> int:
        return int(self._starts[node.end_lineno - 1] + node.end_col_offset)

    def _text(self, node: ast.AST) -> str:
        return self._source[self._start(node) : self._end(node)].decode()


def _lines(node: ast.AST) -> tuple[int, int] | None:
    """Return the lines of a statement, up to the first one it holds: a line of it counts for all of them."""
    match node:
        case ast.match_case(pattern=head, body=[first, *_]):
            return head.lineno, max(head.lineno, first.lineno - 1)
        case ast.Match(subject=subject):
            return node.lineno, subject.end_lineno or node.lineno
        case ast.stmt() | ast.ExceptHandler():
            held = getattr(node, "body", None)
            return node.lineno, max(node.lineno, held[0].lineno - 1) if held else node.end_lineno or node.lineno
    return None


def _flips_itself(test: ast.expr) -> bool:
    """Whether a condition has an operator that is flipped anyway."""
    return isinstance(test, ast.Compare | ast.BoolOp) or isinstance(getattr(test, "op", None), ast.Not)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what is below a node, less the annotations and the inside of formatted text."""
    for name, value in ast.iter_fields(node):
        children = [] if name in {"annotation", "returns", "format_spec"} else value
        for child in children if isinstance(children, list) else [children]:
            if isinstance(child, ast.AST) and not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
                yield name, child


def _is_skipped(node: ast.AST) -> bool:
    """Whether nothing runs here that a test could see: documents, types, and who is exported."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case ast.Subscript(value=ast.Name(id=name)):
            return name[:1].isupper() or name in _TYPES
        case ast.Call(func=ast.Name(id=name)):
            return name in {"cast", "TypeVar", "NewType", "ParamSpec"}
        case ast.keyword(arg=name):
            return name in _LEFT
        case ast.Constant(value=str(text)):
            return text.startswith("_session_scoping_")  # an attribute that one module alone reads
    return False


def _is_read_by_people(node: ast.AST) -> bool:
    """Whether this is an argument for a message; the codes in our own errors are not."""
    match node:
        case ast.keyword(arg=name):
            return name in _WORDED
        case ast.Call(func=ast.Name(id=name)):
            return hasattr(builtins, name) and name.endswith("Error")
    return False


def _is_wording(node: ast.AST) -> bool:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    # What is formatted in counts as one letter, so that "{count} rows" is wording and "{table}/index" is not.
    texts = (part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "x" for part in parts)
    return bool(_WORDS.search("".join(texts)))


def _joins_text(node: ast.BinOp) -> bool:
    """Whether the operator joins text, lists or types, so that any other one fails at once."""
    types = isinstance(node.op, ast.BitOr)
    return any(_is_text(side) or (types and _is_type(side)) for side in (node.left, node.right))


def _is_text(side: ast.expr) -> bool:
    text = isinstance(side, ast.Constant) and isinstance(side.value, str | bytes)
    return text or isinstance(side, ast.JoinedStr | ast.List | ast.Tuple)


def _is_type(side: ast.expr) -> bool:
    match side:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _TYPES or (name[:1].isupper() and not name.isupper())
    return False


def _other_values(node: Any) -> Iterator[str]:
    """Yield other values than a constant's own, as source."""
    if isinstance(node, ast.JoinedStr):
        for at, part in enumerate(node.values):
            for text in _other_texts(part.value) if isinstance(part, ast.Constant) else ():
                yield ast.unparse(ast.JoinedStr([*node.values[:at], ast.Constant(text), *node.values[at + 1 :]]))
    elif isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node.value, int | float):
        yield from (repr(node.value + 1), repr(node.value - 1))
    elif isinstance(node.value, str):
        yield from map(repr, _other_texts(node.value))
    elif isinstance(node.value, bytes):
        yield repr(node.value + b"X")


def _other_texts(text: Any) -> Iterator[str]:
    """Yield a text with something behind it, or a pattern with one more and one less in each of its bounds."""
    bounds = list(_BOUND.finditer(text))
    for found in bounds:
        for number in (int(found[0]) + 1, int(found[0]) - 1):
            yield f"{text[: found.start()]}{number}{text[found.end() :]}"
    if not bounds:
        yield f"{text}X"
