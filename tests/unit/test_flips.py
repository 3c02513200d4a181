"""What `make mutate` puts into a file, and what it leaves alone."""

import ast
import tomllib

import pytest

from tests.support import ROOT
from tests.support.flips import flips
from tests.support.mentions import Mentions
from tests.support.mutate import NOTED, PARTS, files


def changes(source: str) -> set[str]:
    """Return the lines that the faults of a one-line source make of it."""
    return {flip.apply(source.encode()).decode() for flip in flips(source.encode())}


FOUND: dict[str, tuple[str, set[str]]] = {
    "a boundary and its reversal": ("a = b < c", {"a = b <= c", "a = b >= c"}),
    "each operator of a chain": ("a = b == c in d", {"a = b != c in d", "a = b == c not in d"}),
    "a connective": ("a = b and c", {"a = b or c"}),
    "a negation": ("a = not b", {"a = (b)"}),
    "a condition": ("if a: b()", {"if (not (a)): b()"}),
    "a filter": ("a = [b for b in c if d]", {"a = [b for b in c if True]"}),
    "a number by one": ("a = 5", {"a = 6", "a = 4"}),
    "a truth": ("a = True", {"a = False"}),
    "a text that is code": ("a = 's3:GetObject'", {"a = 's3:GetObjectX'"}),
    "the bounds of a pattern": ("a = r'[a-z]{2,}'", {"a = '[a-z]{3,}'", "a = '[a-z]{1,}'"}),
    "a sum of numbers": ("a = b + c", {"a = b - c"}),
    "an argument": ("f(a, b=c)", {"f(a)"}),
    "the first argument": ("f(b=c, d=e)", {"f(d=e)", "f(b=c)"}),
    "an element of a list": ("a = [b, c]", {"a = [c]", "a = [b]"}),
    "formatted text": ("a = f'{b}/x'", {"a = f'{b}/xX'"}),
    "what is returned": ("def f(): return a", {"def f(): return None"}),
    "a default": ("def f(a=1): pass", {"def f(a=2): pass", "def f(a=0): pass"}),
    "the way out of a loop": ("for a in b: break", {"for a in b: continue"}),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_fault_is_found(name: str) -> None:
    """Each kind of fault is made, and no other one of the same line."""
    source, expected = FOUND[name]
    assert changes(source) == expected


LEFT_ALONE = {
    "a document": "'''Return 5.'''",
    "an annotation": "a: Literal[5]",
    "a type": "A = Literal['b', 'c']",
    "who is exported": "__all__ = ['a', 'b']",
    "an import": "from a import b",
    "the wording of a message": "a = 'got nothing, expected a role'",
    "an argument for readers": "f(fix='retry')",
    "the text of Python's own error": "raise ValueError('empty')",
    "text put together": "a = f'{b}' + c",
    "the size of a cache": "@lru_cache(maxsize=64)\ndef f(): pass",
    "a union of types": "a = isinstance(b, Role | Policy)",
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_no_test_could_see_is_left_alone(name: str) -> None:
    """Documents, types and wording are no code."""
    assert changes(LEFT_ALONE[name]) == set()


def test_every_fault_is_python() -> None:
    """A fault that Python cannot read would be noticed by every test, and one that changes nothing by none."""
    source = (ROOT / "session_scoping" / "contract" / "tags.py").read_bytes()
    found = flips(source)
    assert len(found) > 50
    for flip in found:
        assert ast.dump(ast.parse(flip.apply(source))) != ast.dump(ast.parse(source))


def test_every_fault_that_is_noted_as_equivalent_can_still_be_made() -> None:
    """A note whose line has changed is read again, or taken out."""
    for noted in tomllib.loads(NOTED.read_text())["flip"]:
        source = (ROOT / noted["file"]).read_bytes()
        lines = source.decode().splitlines()
        made = {(lines[flip.line - 1].strip(), flip.old, flip.new) for flip in flips(source)}
        assert (noted["line"], noted["old"], noted["new"]) in made
        assert noted["reason"]


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_sources_and_tests(name: str) -> None:
    """The folders that `make mutate` knows are those of the tree."""
    part = PARTS[name]
    for chosen, pattern in ((part.sources, "*.py"), (part.tests, "test_*.py"), (part.without, "*.py")):
        assert all(files((one,), pattern) for one in chosen)
        assert all((ROOT / file).is_file() for file in files(chosen, pattern))


def test_a_statement_s_lines_are_known() -> None:
    """Coverage notes the first line of a statement; what runs at import is known by the names it binds."""
    (number, *_), (inner, *_) = (
        [flip for flip in flips(b"A = (\n  5,\n)\ndef f():\n  return (\n    7)\n") if flip.old == old] for old in "57"
    )
    assert (number.line, number.since, number.until, number.names) == (2, 1, 3, frozenset({"A"}))
    assert (inner.line, inner.since, inner.until, inner.names) == (6, 5, 6, frozenset())
    assert (number.function, inner.function) == ("", "f")


def test_what_a_module_makes_of_a_function_leads_to_its_tests() -> None:
    """A value that support makes at import is what the tests name, not the function that made it."""
    found = Mentions(ROOT, files(("tests",), "*.py")).of(["session_tag"])
    assert {file for file, _ in found} >= {"tests/support/vault_stack.py", "tests/synth/test_token_vault.py"}
