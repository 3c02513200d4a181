"""
Checks the layout of the package: sizes, import circles, which room imports which, and where private names are used.
Of benchmarks, examples, the reference parts and tools the sizes are checked.

`make lint` runs it; ruff checks the docstrings.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "session_scoping"
ALSO_SIZED = ("benchmarks", "examples", "reference", "tools")
FILE_MAX, FUNCTION_MAX, FOLDER_MAX = 300, 50, 16
SINGLE_MIN = 40
# What others made private: a method of `typing.NamedTuple`, all properties of a CDK resource, the parser of `re`.
FOREIGN = {"_replace", "_cfn_properties", "_constants", "_parser"}
# Room -> the rooms it may import from, other than itself. Data flows one way: no arrow leads back.
ROOMS: Mapping[str, frozenset[str]] = {
    "__init__": frozenset({"contract"}),
    "contract": frozenset(),
    "aws": frozenset(),
    "orchestrator": frozenset({"contract"}),
    "lambdas": frozenset({"contract"}),
    "agent": frozenset({"contract", "aws"}),
    "constructs": frozenset({"contract", "aws", "lambdas"}),
    # Its arrows to the agent (session policies) and the commands go when it is rebuilt.
    "verify": frozenset({"contract", "aws", "agent", "commands"}),
    "testing": frozenset({"contract", "aws", "verify", "commands"}),
    "commands": frozenset({"contract", "aws", "agent", "verify"}),
}


def main() -> int:
    """Print what is out of order; return 1 if anything is."""
    found = [*sizes(PACKAGE), *folders(PACKAGE), *arrows(PACKAGE), *splinters(PACKAGE), *private_names(PACKAGE)]
    found += [line for name in ALSO_SIZED for line in sizes(ROOT / name)]
    if round_trip := circle(PACKAGE):
        found.append(f"import circle: {' -> '.join(round_trip)}")
    print("\n".join(found) or "the package's layout is in order")  # noqa: T201 - a command speaks
    return bool(found)


def sizes(package: Path) -> Iterator[str]:
    """Yield each file and function that is too large."""
    for path in package.rglob("*.py"):
        name, text = path.relative_to(package.parent).as_posix(), path.read_text("utf-8")
        if (lines := text.count("\n")) > FILE_MAX:
            yield f"{name}: {lines} lines, at most {FILE_MAX}"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (size := code_lines(node)) > FUNCTION_MAX:
                yield f"{name}: {node.name} has {size} lines without its docstring, at most {FUNCTION_MAX}"


def folders(package: Path) -> Iterator[str]:
    """Yield each folder that holds too many files."""
    for folder, count in Counter(path.parent for path in package.rglob("*.py")).items():
        if count > FOLDER_MAX:
            yield f"{folder.relative_to(package.parent)}: {count} files, at most {FOLDER_MAX}"


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines from its first statement on: neither its arguments nor its docstring count."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def splinters(package: Path) -> Iterator[str]:
    """Yield each short file that a single module imports: it belongs there."""
    modules = modules_of(package)
    importers = Counter(target for path in modules.values() for target in {*imported(path, modules)})
    for name, path in modules.items():
        lines = path.read_text("utf-8").count("\n")
        if path.name != "__init__.py" and lines < SINGLE_MIN and importers[name] == 1:
            yield f"{name}: {lines} lines and one importer; it belongs there"


def private_names(package: Path) -> Iterator[str]:
    """Yield each use of a private name of another file; a subclass may use its base's through `self` and `super()`."""
    for name, path in modules_of(package).items():
        nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
        own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for node in nodes:
            used = (
                [alias.name for alias in node.names if alias.name not in FOREIGN]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in {"self", "cls", "super()"}:
                used = [node.attr] if node.attr not in own | FOREIGN else []
            yield from (f"{name} uses {one} of another file" for one in used if re.match("_[^_]", one))


def arrows(package: Path) -> Iterator[str]:
    """Yield each import that leads from a room to one it may not know."""
    modules = modules_of(package)
    for name, path in modules.items():
        room = room_of(name)
        if room not in ROOMS:
            yield f"{name}: a room that tools/house.py does not list"
            continue
        for target in sorted(modules.keys() & imported(path, modules)):
            if (there := room_of(target)) not in {room, "__init__", *ROOMS[room]} and room != "__init__":
                yield f"{name} imports {target}: {room} may not know {there}"


def room_of(module: str) -> str:
    """Return the room of a module's full name; `__init__` for the public door."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def modules_of(package: Path) -> dict[str, Path]:
    """Return the files of a package by their modules' full names."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in package.rglob("*.py")
    }


def imported(path: Path, modules: Collection[str]) -> Iterator[str]:
    """Yield what a file imports, wherever it does: at its top, inside a function, for a type alone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: a relative import, which is not followed here")
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else str(node.module)


def circle(package: Path) -> list[str]:
    """Return the modules of one import circle in a package, the first one twice; nothing if there is none."""
    modules = modules_of(package)
    graph = {name: modules.keys() & imported(path, modules) for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


if __name__ == "__main__":
    sys.exit(main())
