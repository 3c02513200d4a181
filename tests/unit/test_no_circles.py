"""No module imports what imports it, `verify` excepted."""

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import session_scoping

PACKAGE = Path(session_scoping.__file__).parent


def imported(path: Path, modules: Collection[str]) -> Iterator[str]:
    """Yield what a file imports, wherever it does: at its top, inside a function, for a type alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, which is not followed here"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else str(node.module)


def circle(package: Path, exempt: str = "") -> list[str]:
    """Return the modules of one import circle in a package, the first one twice; nothing if there is none."""
    modules = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in package.rglob("*.py")
        if not exempt or package / exempt not in path.parents
    }
    graph = {name: modules.keys() & imported(path, modules) for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_module_imports_what_imports_it() -> None:
    """Data flows one way: each module can be read, and moved, without those that import it."""
    assert circle(PACKAGE, exempt="verify") == []


@pytest.mark.parametrize(
    "back",
    [
        "from planted.first import NAME",
        "import planted.first",
        "from planted import first",
        "def later():\n    from planted.first import NAME",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.first import NAME",
    ],
)
def test_a_planted_circle_is_found(tmp_path: Path, back: str) -> None:
    """A circle of three is found, however the import that closes it is written."""
    package = tmp_path / "planted"
    (package / "inner").mkdir(parents=True)
    files = {
        "__init__": "",
        "inner/__init__": "",
        "first": "from planted.inner import second",
        "inner/second": "from planted.third import NAME",
        "third": "",
    }
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    assert circle(package) == []
    (package / "third.py").write_text(back)
    assert set(circle(package)) == {"planted.first", "planted.inner.second", "planted.third"}
    assert circle(package, exempt="inner") == []
