"""All modules of the audited source together: what one of them names and another one uses."""

import ast
from collections.abc import Mapping
from pathlib import Path

from session_scoping.agent.audit.kinds import AMBIENT, AMBIENT_FACTORY, AMBIENT_MAKERS, TASK, UNKNOWN
from session_scoping.agent.audit.scopes import Imported, Scopes
from session_scoping.agent.audit.values import Evaluator, Values

_HOPS_MAX = 8  # from one module that passes a name on to the next


class Module:
    """
    One module of the source.

    Attributes:
        path: Its file.
        tree: Its syntax tree.
        scopes: Its scopes.
        values: What its expressions may be.
    """

    def __init__(self, path: Path, tree: ast.Module, exports: Mapping[str, Values], program: "Program") -> None:
        self.path, self.tree = path, tree
        self.scopes = Scopes(tree)
        self.values = Evaluator(self.scopes, exports, _Seen(self, program))
        parts = path.with_suffix("").parts
        self.package = parts[:-1]
        self.parts = parts[:-1] if path.name == "__init__.py" else parts

    def exported(self) -> dict[str, Values]:
        """Return the module-level names of ambient sessions and factories, for other modules."""
        kinds = {AMBIENT, AMBIENT_FACTORY, *AMBIENT_MAKERS}
        scope = self.scopes.of[self.tree]
        found = {
            name: self.values.name(name, scope)
            for name, bindings in scope.names.items()
            if not any(isinstance(binding, Imported) for binding in bindings)
        }
        return {name: value for name, value in found.items() if value & kinds}


class Program:
    """
    The modules of the audited source, each read with what the others name.

    Args:
        trees: Path -> the module.
    """

    def __init__(self, trees: Mapping[Path, ast.Module]) -> None:
        exports: dict[str, Values] = {}
        self._open: set[tuple[str, str]] = set()
        self._classes: dict[str, tuple[Module, ast.ClassDef]] = {}
        self.modules: list[Module] = []
        self._read(trees, {})
        for module in self.modules:
            for name, values in module.exported().items():
                exports[name] = exports.get(name, frozenset()) | values
        self._read(trees, exports)

    def _read(self, trees: Mapping[Path, ast.Module], exports: Mapping[str, Values]) -> None:
        self.modules = [Module(path, tree, exports, self) for path, tree in trees.items()]
        self._classes = {
            _key(module, definition): (module, definition)
            for module in self.modules
            for definition in module.scopes.classes
        }

    def find(self, importer: Module, path: str, hops: int = 0) -> str | None:
        """Return the key of the class that an import of a module names; nothing for another library's."""
        level = len(path) - len(path.lstrip("."))
        *within, name = path.lstrip(".").split(".")
        if not within and not level:
            return None
        around = importer.package[: len(importer.package) - level + 1] if level else ()
        wanted = (*around, *within)
        found = {
            key
            for module in self.modules
            if module.parts[-len(wanted) :] == wanted and (not level or module.parts == wanted)
            if (key := self._named(module, name, hops))
        }
        return found.pop() if len(found) == 1 else None

    def _named(self, module: Module, name: str, hops: int) -> str | None:
        bindings = module.scopes.of[module.tree].names.get(name, [])
        if len(bindings) != 1:
            return None
        binding = bindings[0]
        if isinstance(binding, ast.ClassDef):
            return _key(module, binding)
        passed_on = isinstance(binding, Imported) and hops < _HOPS_MAX
        return self.find(module, binding.path, hops + 1) if passed_on and isinstance(binding, Imported) else None

    def attribute(self, key: str, name: str) -> Values:
        """Return every value an attribute of a class's objects may have; none when nothing binds it."""
        if (key, name) in self._open:
            return frozenset({UNKNOWN})
        self._open.add((key, name))
        try:
            module, definition = self._classes[key]
            return module.values.attribute(module.scopes.classes[definition], name)
        finally:
            self._open.remove((key, name))

    def assigned(self, name: str) -> Values:
        """Return what is assigned to an attribute of this name on any object but `self`, a task's session left out."""
        found: set[str] = set()
        for module in self.modules:
            for binding, scope in module.scopes.assigned.get(name, []):
                found |= module.values.bound(binding, scope)
        return frozenset(found - {TASK})


class _Seen:
    """The program's classes as one module imports them."""

    def __init__(self, module: Module, program: Program) -> None:
        self._module, self._program = module, program

    def key_of(self, path: str) -> str | None:
        return self._program.find(self._module, path)

    def key_at(self, definition: ast.ClassDef) -> str:
        return _key(self._module, definition)

    def attribute(self, key: str, name: str) -> Values:
        return self._program.attribute(key, name)

    def assigned(self, name: str) -> Values:
        return self._program.assigned(name)


def _key(module: Module, definition: ast.ClassDef) -> str:
    return f"{module.path}:{definition.lineno}:{definition.col_offset}"
