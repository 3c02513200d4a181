"""Which expressions a name or attribute may have as its value, by scope. Order of statements is not considered."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Imported:
    """A name bound by an import, with its dotted path."""

    path: str


@dataclass(frozen=True)
class Annotated:
    """A name known by its annotation and its value: one it is `assigned`, or the default of a parameter."""

    annotation: ast.expr
    value: ast.expr | None = None
    assigned: bool = False


@dataclass(frozen=True)
class Entered:
    """A name bound by `with value as name`."""

    value: ast.expr


@dataclass(frozen=True)
class Opaque:
    """A name bound to something that is not followed."""


Binding = Imported | Annotated | Entered | Opaque | ast.expr | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Scope:
    """
    One scope and what is bound in it.

    Attributes:
        parent: The scope around it; nothing for the module.
        definition: The class, for its body, which the functions inside do not see.
        names: Name -> all its bindings.
        attributes: For a class: attribute -> what the class body and `self.x = ...` bind it to.
    """

    parent: "Scope | None" = None
    definition: ast.ClassDef | None = None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    attributes: dict[str, list[tuple[Binding, "Scope"]]] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)

    @property
    def is_class(self) -> bool:
        """Whether it is a class body."""
        return self.definition is not None

    def bind(self, name: str, binding: Binding) -> None:
        """Add a binding, in the scope that `global` or `nonlocal` names."""
        scope = self
        if name in self.globals:
            while scope.parent:
                scope = scope.parent
        elif name in self.nonlocals and self.parent:
            self.parent.bind(name, binding)
            return
        scope.names.setdefault(name, []).append(binding)
        if scope.is_class:
            scope.attributes.setdefault(name, []).append((binding, scope))

    def lookup(self, name: str) -> tuple[list[Binding], "Scope"] | None:
        """Return the bindings of a name and the scope they are in; nothing when it is unbound."""
        scope: Scope | None = self
        while scope:
            if name in scope.names and (scope is self or not scope.is_class):
                return scope.names[name], scope
            scope = scope.parent
        return None

    def own_class(self) -> "Scope | None":
        """Return the class a method is in; nothing elsewhere."""
        scope: Scope | None = self
        while scope and not scope.is_class:
            scope = scope.parent
        return scope


class Scopes:
    """
    The scopes of a module.

    Attributes:
        of: Every node -> the scope it is evaluated in.
        parents: Every node -> the node around it.
        classes: Every class -> its body.
        assigned: Attribute -> what is assigned to it on other objects than `self`.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.of: dict[ast.AST, Scope] = {}
        self.parents: dict[ast.AST, ast.AST] = {}
        self.classes: dict[ast.ClassDef, Scope] = {}
        self.assigned: dict[str, list[tuple[Binding, Scope]]] = {}
        self._scope = Scope()
        self._visit(tree)

    def _visit(self, node: ast.AST) -> None:
        self.of[node] = self._scope
        for child in ast.iter_child_nodes(node):
            self.parents[child] = node
        if isinstance(node, FUNCTIONS):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._scope.bind(node.name, node)
            self._visit_all([*node.decorator_list, *node.bases, *node.keywords])
            self.classes[node] = Scope(self._scope, node)
            self._inside(self.classes[node], list(node.body))
        else:
            self._bindings(node)
            self._visit_all(ast.iter_child_nodes(node))

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self._visit(node)

    def _inside(self, scope: Scope, nodes: list[ast.AST]) -> None:
        outer, self._scope = self._scope, scope
        for found in (found for node in nodes for found in _statements(node)):
            if isinstance(found, ast.Global):
                scope.globals.update(found.names)
            elif isinstance(found, ast.Nonlocal):
                scope.nonlocals.update(found.names)
        self._visit_all(nodes)
        self._scope = outer

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        body: list[ast.AST]
        if isinstance(node, ast.Lambda):
            body = [node.body]
        else:
            body = list(node.body)
            self._scope.bind(node.name, node)
            self._visit_all([*node.decorator_list, *([node.returns] if node.returns else [])])
        self._visit(node.args)
        scope = Scope(self._scope)
        _bind_parameters(scope, node.args)
        self._inside(scope, body)

    def _bindings(self, node: ast.AST) -> None:
        """Note what a statement or expression binds."""
        match node:
            case ast.Import():
                for alias in node.names:
                    path = alias.name if alias.asname else alias.name.split(".")[0]
                    self._scope.bind(alias.asname or path, Imported(path))
            case ast.ImportFrom():
                module = "." * node.level + (f"{node.module}." if node.module else "")
                for alias in node.names:
                    self._scope.bind(alias.asname or alias.name, Imported(f"{module}{alias.name}"))
            case ast.Assign():
                for target in node.targets:
                    self._target(target, node.value)
            case ast.AnnAssign():
                self._bind(node.target, Annotated(node.annotation, node.value, assigned=True))
            case ast.NamedExpr():
                self._target(node.target, node.value)
            case ast.AugAssign() | ast.For() | ast.AsyncFor() | ast.comprehension():
                self._target(node.target, None)
            case ast.withitem(optional_vars=ast.Name() as target):
                self._bind(target, Entered(node.context_expr))
            case ast.withitem(optional_vars=ast.expr() as target):
                self._target(target, None)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self._scope.bind(name, Opaque())
            case _:
                pass

    def _target(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                values = list(value.elts)
            for inner, inner_value in zip(target.elts, values, strict=True):
                self._target(inner, inner_value)
        else:
            self._bind(target, Opaque() if value is None else value)

    def _bind(self, target: ast.expr, binding: Binding) -> None:
        if isinstance(target, ast.Starred):
            target = target.value
        if isinstance(target, ast.Name):
            self._scope.bind(target.id, binding)
        elif isinstance(target, ast.Attribute):
            owner = self._scope.own_class() if is_self(target.value) else None
            if owner is None:
                self.assigned.setdefault(target.attr, []).append((binding, self._scope))
            else:
                owner.attributes.setdefault(target.attr, []).append((binding, self._scope))


def _bind_parameters(scope: Scope, arguments: ast.arguments) -> None:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: dict[ast.arg, ast.expr | None] = dict(zip(reversed(plain), reversed(arguments.defaults), strict=False))
    defaults |= zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument in [*plain, *arguments.kwonlyargs]:
        default = defaults.get(argument)
        if argument.annotation:
            scope.bind(argument.arg, Annotated(argument.annotation, default))
            continue
        scope.bind(argument.arg, Opaque())
        if default:
            scope.bind(argument.arg, default)
    for rest in (arguments.vararg, arguments.kwarg):
        if rest:
            scope.bind(rest.arg, Opaque())


def is_self(node: ast.expr) -> bool:
    """Whether an expression is the usual name of a method's own object or class."""
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _statements(node: ast.AST) -> list[ast.AST]:
    """Return a statement and those inside it, without the bodies of inner functions and classes."""
    found, waiting = [], [node]
    while waiting:
        current = waiting.pop()
        found.append(current)
        if not isinstance(current, (*FUNCTIONS, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(current))
    return found
