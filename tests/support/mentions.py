"""Where a name stands: the lines that may depend on what a module makes while it is imported."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


class Mentions:
    """
    Which lines name something, and what a module makes of it at import.

    Args:
        root: The tree.
        files: Its files that are read, relative to it.
    """

    def __init__(self, root: Path, files: Iterable[str]) -> None:
        self._lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._made: dict[str, set[str]] = defaultdict(set)
        for file in files:
            for statement in ast.parse((root / file).read_bytes()).body:
                made = bound(statement) if isinstance(statement, ast.Assign | ast.AnnAssign) else set()
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name | ast.Attribute):
                        name = node.id if isinstance(node, ast.Name) else node.attr
                        self._lines[name].add((file, node.lineno))
                        self._made[name] |= made

    def of(self, names: Iterable[str]) -> set[tuple[str, int]]:
        """Return the lines that name one of these, or a module's value that was made with one."""
        reached, left = set[str](), set(names)
        while left:
            reached |= left
            left = set[str]().union(*(self._made[name] for name in left)) - reached
        return set[tuple[str, int]]().union(*(self._lines[name] for name in reached))


def bound(node: ast.AST) -> set[str]:
    """Return the names that hold what a statement makes."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign(targets=targets):
            return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()
