"""What an expression may be: a module path, a session, a client factory, an object, a text, or unknown."""

import ast
from collections.abc import Iterable, Mapping
from typing import Protocol

from session_scoping.agent.audit.kinds import (
    AMBIENT,
    AMBIENT_FACTORY,
    AMBIENT_MAKERS,
    CLASS,
    OBJECT,
    PARTIAL,
    RETURNS,
    ROOTS,
    TASK,
    TASK_CACHES,
    TASK_CLIENT,
    TASK_FACTORY,
    TASK_SESSIONS,
    TASKS,
    UNKNOWN,
    kind,
    member,
    returned,
)
from session_scoping.agent.audit.libraries import maker_of, signed_by
from session_scoping.agent.audit.scopes import Annotated, Binding, Entered, Imported, Opaque, Scope, Scopes, is_self

# Read as their first argument.
_WRAPPERS = frozenset({"Optional", "Annotated", "Final", "ClassVar", "InitVar", "Required", "NotRequired", "ReadOnly"})
_PROPERTIES = frozenset({"property", "cached_property"})
_IMPORTERS = frozenset({"importlib.import_module", "__import__"})
_BUILTINS = frozenset({"__import__", "getattr"})
_DEPTH_MAX = 40
_WORK_MAX = 5_000  # names bound to each other in every way would take for ever

Values = frozenset[str]
_NOTHING: Values = frozenset()
_UNKNOWN: Values = frozenset({UNKNOWN})


class Classes(Protocol):
    """The classes of the audited source. Each has a key of its own, whatever the number of its names."""

    def key_of(self, path: str) -> str | None:
        """Return the key of the class that an import names; nothing for one of another library."""

    def key_at(self, definition: ast.ClassDef) -> str:
        """Return the key of a class where it is defined."""

    def attribute(self, key: str, name: str) -> Values:
        """Return every value an attribute of its objects may have; none when nothing binds it."""

    def assigned(self, name: str) -> Values:
        """Return every value that code elsewhere assigns to an attribute of this name, on any object."""


class Evaluator:
    """Evaluates expressions of one module, over all bindings of a name at once."""

    def __init__(self, scopes: Scopes, exported: Mapping[str, Values], classes: Classes) -> None:
        self._scopes = scopes
        self._exported = exported
        self._classes = classes
        self._depth = 0
        self._work = 0
        self._open: set[tuple[int, str]] = set()
        self._known: dict[tuple[int, str], Values] = {}

    def value(self, node: ast.expr, scope: Scope | None = None) -> Values:
        """Return every value an expression may have; `?` among them when one is not known."""
        self._work = self._work + 1 if self._depth else 0
        if self._depth > _DEPTH_MAX or self._work > _WORK_MAX:
            return _UNKNOWN
        self._depth += 1
        try:
            return self._value(node, scope or self._scopes.of[node])
        finally:
            self._depth -= 1

    def _value(self, node: ast.expr, scope: Scope) -> Values:
        match node:
            case ast.Constant():
                return _NOTHING
            case ast.Name():
                return self.name(node.id, scope)
            case ast.Attribute():
                return self._attribute(node, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.IfExp():
                return self.value(node.body, scope) | self.value(node.orelse, scope)
            case ast.BoolOp():
                return _union(self.value(value, scope) for value in node.values)
            case ast.NamedExpr() | ast.Await():
                return self.value(node.value, scope)
            case ast.Subscript(slice=ast.Constant(value=str(key))):  # of a TypedDict
                return self._of_objects(self.value(node.value, scope), key) or _UNKNOWN
            case _:
                return _UNKNOWN

    def name(self, name: str, scope: Scope) -> Values:
        """Return every value a name may have in a scope."""
        found = scope.lookup(name)
        if found is None:
            return frozenset({name}) if name in _BUILTINS else self._exported.get(name, _UNKNOWN)
        bindings, home = found
        key = (id(home), name)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            return _NOTHING  # `s = s.copy()`: the other bindings say what it is
        first = not self._open
        self._open.add(key)
        values = _union(self.bound(binding, home) for binding in bindings)
        self._open.remove(key)
        if first:
            self._known[key] = values
        return values

    def bound(self, binding: Binding, scope: Scope) -> Values:
        """Return every value of one binding."""
        match binding:
            case Imported():
                if found := self._exported.get(binding.path.rsplit(".", 1)[-1]):
                    return found
                return frozenset({self._imported(kind(binding.path))})
            case Annotated():
                return self._annotated(binding, scope)
            case Entered():
                return self.value(binding.value, scope) & {TASK, TASKS} or _UNKNOWN
            case Opaque():
                return _UNKNOWN
            case ast.ClassDef():
                bases = _union(self.value(base, scope) for base in binding.bases)
                makers = frozenset(base for base in bases if base in TASK_SESSIONS | AMBIENT_MAKERS)
                return makers or frozenset({f"{CLASS}{self._classes.key_at(binding)}"})
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                returned = self._annotation(binding.returns, scope) if binding.returns else _UNKNOWN
                return frozenset(value if value == UNKNOWN else f"{RETURNS}{value}" for value in returned)
            case _:
                return self.value(binding, scope)

    def _imported(self, path: str) -> str:
        key = None if path.startswith("<") or path == UNKNOWN else self._classes.key_of(path)
        return f"{CLASS}{key}" if key else path

    def _annotated(self, binding: Annotated, scope: Scope) -> Values:
        said = self._annotation(binding.annotation, scope)
        given = self.value(binding.value, scope) if binding.value else _NOTHING
        if UNKNOWN not in said:
            return said | given & {AMBIENT, AMBIENT_FACTORY}  # a value nobody knows is what its annotation says
        return given if binding.assigned and binding.value else said | given

    def _annotation(self, annotation: ast.expr, scope: Scope) -> Values:
        """Return TASK for TaskSession, or an object of a class, alone or with None; else it may be any session."""
        match annotation:
            case ast.Constant(value=str(text)):
                try:
                    return self._annotation(ast.parse(text, mode="eval").body, scope)
                except SyntaxError:
                    return _UNKNOWN
            case ast.Constant(value=None):
                return _NOTHING
            case ast.BinOp(op=ast.BitOr()):
                return self._annotation(annotation.left, scope) | self._annotation(annotation.right, scope)
            case ast.Subscript(value=ast.Name() | ast.Attribute() as form):
                last = form.id if isinstance(form, ast.Name) else form.attr
                inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
                if last not in _WRAPPERS | {"Union"}:
                    return _UNKNOWN
                return _union(self._annotation(one, scope) for one in (inner if last == "Union" else inner[:1]))
            case ast.Name() | ast.Attribute():
                return self._objects(self.value(annotation, scope))
            case _:
                return _UNKNOWN

    def _objects(self, classes: Values) -> Values:
        """Return what calling these classes gives, where each is known."""
        if classes and classes <= TASK_SESSIONS:
            return frozenset({TASK})
        if classes and classes <= TASK_CACHES:
            return frozenset({TASKS})
        known = classes and all(value.startswith(CLASS) for value in classes)
        return frozenset(value.replace(CLASS, OBJECT, 1) for value in classes) if known else _UNKNOWN

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Values:
        owner = scope.own_class() if is_self(node.value) else None
        if owner or is_self(node.value):
            return (self.attribute(owner, node.attr) if owner else _NOTHING) or _UNKNOWN
        owners = self.value(node.value, scope)
        values = frozenset(member(value, node.attr) for value in owners if not value.startswith(OBJECT))
        values = values | self._of_objects(owners, node.attr) or _UNKNOWN
        values = frozenset(self._imported(value) for value in values)
        if any(value.startswith("<") or value.split(".")[0] in ROOTS for value in values):
            return values
        return self._exported.get(node.attr, values)

    def _of_objects(self, owners: Values, name: str) -> Values:
        keys = [value.removeprefix(OBJECT) for value in owners if value.startswith(OBJECT)]
        return _union(self._classes.attribute(key, name) or _UNKNOWN for key in keys)

    def attribute(self, owner: Scope, name: str) -> Values:
        """Return every value an attribute of a class's objects may have, by its body, methods and bases, if any."""
        definition = owner.definition
        if definition is None or self._depth > _DEPTH_MAX:
            return _UNKNOWN
        self._depth += 1
        found = _union(self._member_binding(*pair) for pair in owner.attributes.get(name, []))
        for base in definition.bases:
            inherited = self.value(base, owner.parent)
            keys = [value.removeprefix(CLASS) for value in inherited if value.startswith(CLASS)]
            found |= _union(self._classes.attribute(key, name) for key in keys)
        self._depth -= 1
        return found | self._classes.assigned(name) if TASK in found else found

    def _member_binding(self, binding: Binding, scope: Scope) -> Values:
        values = self.bound(binding, scope)
        if isinstance(binding, ast.FunctionDef):
            decorators = {ast.unparse(one).rpartition(".")[2] for one in binding.decorator_list}
            if decorators & _PROPERTIES:
                return frozenset(returned(value) for value in values)
        return values

    def _call(self, node: ast.Call, scope: Scope) -> Values:
        return _union(self._called(value, node, scope) for value in self.value(node.func, scope))

    def _called(self, function: str, node: ast.Call, scope: Scope) -> Values:
        if function in TASK_SESSIONS or function.removesuffix(".from_token") in TASK_SESSIONS:
            return frozenset({TASK})
        if function in TASK_CACHES:
            return frozenset({TASKS})
        if function.startswith((RETURNS, CLASS)):
            return frozenset({returned(function.replace(CLASS, RETURNS + OBJECT, 1))})
        if function == TASK_FACTORY:
            return frozenset({TASK_CLIENT})
        if function in AMBIENT_MAKERS:
            given = [one.value for one in node.keywords if one.arg == "botocore_session"]
            return frozenset({TASK if given and self.value(given[0], scope) == {TASK} else AMBIENT})
        if function in _IMPORTERS and node.args:
            names = self.texts(node.args[0], scope)
            return frozenset(kind(name) for name in names) if names else _UNKNOWN
        if function == PARTIAL and is_renaming_partial(node):
            return self.value(node.args[0], scope)
        if function == "getattr" and len(node.args) >= 2:
            names = self.texts(node.args[1], scope)
            owners = self.value(node.args[0], scope)
            return _union(frozenset(member(o, name) for o in owners) for name in names) if names else _UNKNOWN
        maker = maker_of(function)
        by_task = maker and signed_by(maker, node, lambda argument: self.value(argument, scope)) == "session"
        return frozenset({TASK_CLIENT}) if by_task else _UNKNOWN

    def texts(self, node: ast.expr, scope: Scope | None = None) -> frozenset[str] | None:
        """Return every text an expression may have; nothing when the source does not show it."""
        scope = scope or self._scopes.of[node]
        match node:
            case ast.Constant(value=str(text)):
                return frozenset({text})
            case ast.JoinedStr():
                return self._joined(list(node.values), scope)
            case ast.FormattedValue(conversion=-1, format_spec=None):
                return self.texts(node.value, scope)
            case ast.BinOp(op=ast.Add()):
                return self._joined([node.left, node.right], scope)
            case ast.IfExp():
                first, second = self.texts(node.body, scope), self.texts(node.orelse, scope)
                return None if first is None or second is None else first | second
            case ast.Name():
                return self._named_text(node.id, scope)
            case _:
                return None

    def _named_text(self, name: str, scope: Scope) -> frozenset[str] | None:
        found = scope.lookup(name)
        if found is None or len(found[0]) != 1:
            return None
        binding, home = found[0][0], found[1]
        if isinstance(binding, Annotated) and binding.assigned and binding.value:
            binding = binding.value
        # Only constants are followed: a name that leads to a name could lead back.
        return self.texts(binding, home) if isinstance(binding, ast.Constant | ast.JoinedStr) else None

    def _joined(self, parts: list[ast.expr], scope: Scope) -> frozenset[str] | None:
        whole = frozenset({""})
        for part in parts:
            texts = self.texts(part, scope)
            if texts is None:
                return None
            whole = frozenset(start + text for start in whole for text in texts)
        return whole


def is_renaming_partial(node: ast.Call) -> bool:
    """Whether `partial(factory, ...)` leaves the service open, so that it is another name of the factory."""
    return len(node.args) == 1 and all(keyword.arg not in {None, "service_name"} for keyword in node.keywords)


def _union(sets: Iterable[Values]) -> Values:
    return _NOTHING.union(*sets)
