"""What an expression may be: a module path, a session, a client factory, a text, or unknown."""

import ast
from collections.abc import Iterable, Mapping

from session_scoping.agent.audit.scopes import Annotated, Binding, Imported, Opaque, Scope, Scopes, is_self

# The kinds of value that matter. Any other text is the dotted path of something imported.
UNKNOWN = "?"
TASK = "<task session>"
AMBIENT = "<ambient session>"
TASK_FACTORY = "<factory of a task session>"
AMBIENT_FACTORY = "<ambient factory>"

FACTORY_NAMES = frozenset({"client", "resource", "create_client"})
PARTIAL = "functools.partial"
ROOTS = frozenset({"boto3", "botocore", "aioboto3", "aiobotocore"})
_TASK_SESSIONS = frozenset(
    {
        "session_scoping.TaskSession",
        "session_scoping.agent.TaskSession",
        "session_scoping.agent.session.task_session.TaskSession",
    }
)
AMBIENT_MAKERS = frozenset(
    {
        "boto3.Session",
        "boto3.session.Session",
        "boto3._get_default_session",
        "botocore.session.Session",
        "botocore.session.get_session",
        "aioboto3.Session",
        "aioboto3.session.Session",
        "aiobotocore.session.AioSession",
        "aiobotocore.session.get_session",
        "session_scoping.agent.unsafe_ambient_session",
        "session_scoping.agent.session.ambient.unsafe_ambient_session",
    }
)
_IMPORTERS = frozenset({"importlib.import_module", "__import__"})
_BUILTINS = frozenset({"__import__", "getattr"})
_DEPTH_MAX = 40
_WORK_MAX = 5_000  # names bound to each other in every way would take for ever

Values = frozenset[str]
_NOTHING: Values = frozenset()
_UNKNOWN: Values = frozenset({UNKNOWN})


class Evaluator:
    """Evaluates expressions of one module, over all bindings of a name at once."""

    def __init__(self, scopes: Scopes, exported: Mapping[str, Values]) -> None:
        self._scopes = scopes
        self._exported = exported
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
        values = _union(self._binding(binding, home) for binding in bindings)
        self._open.remove(key)
        if first:
            self._known[key] = values
        return values

    def _binding(self, binding: Binding, scope: Scope) -> Values:
        match binding:
            case Imported():
                return self._exported.get(binding.path.rsplit(".", 1)[-1], frozenset({_kind(binding.path)}))
            case Annotated():
                return self._annotation(binding.annotation, scope)
            case Opaque():
                return _UNKNOWN
            case ast.ClassDef():
                bases = _union(self.value(base, scope) for base in binding.bases)
                return frozenset(base for base in bases if base in _TASK_SESSIONS | AMBIENT_MAKERS) or _UNKNOWN
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                returned = self._annotation(binding.returns, scope) if binding.returns else _UNKNOWN
                return frozenset({"<returns a task session>"}) if returned == {TASK} else _UNKNOWN
            case _:
                return self.value(binding, scope)

    def _annotation(self, annotation: ast.expr, scope: Scope) -> Values:
        """Return TASK for TaskSession, alone or with None; anything else may be any session."""
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
            case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional")):
                return self._annotation(annotation.slice, scope)
            case ast.Name() | ast.Attribute():
                named = self.value(annotation, scope)
                return frozenset({TASK}) if named and named <= _TASK_SESSIONS else _UNKNOWN
            case _:
                return _UNKNOWN

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Values:
        if is_self(node.value):
            owner = scope.own_class()
            bound = owner.attributes.get(node.attr) if owner else None
            return _union(self._binding(*pair) for pair in bound) if bound else _UNKNOWN
        values = frozenset(member(value, node.attr) for value in self.value(node.value, scope)) or _UNKNOWN
        if any(value.startswith("<") or value.split(".")[0] in ROOTS for value in values):
            return values
        return self._exported.get(node.attr, values)

    def _call(self, node: ast.Call, scope: Scope) -> Values:
        return _union(self._called(value, node, scope) for value in self.value(node.func, scope))

    def _called(self, function: str, node: ast.Call, scope: Scope) -> Values:
        if function in _TASK_SESSIONS or function == "<returns a task session>":
            return frozenset({TASK})
        if function in AMBIENT_MAKERS:
            return frozenset({AMBIENT})
        if function in _IMPORTERS and node.args:
            names = self.texts(node.args[0], scope)
            return frozenset(_kind(name) for name in names) if names else _UNKNOWN
        if function == PARTIAL and is_renaming_partial(node):
            return self.value(node.args[0], scope)
        if function == "getattr" and len(node.args) >= 2:
            names = self.texts(node.args[1], scope)
            owners = self.value(node.args[0], scope)
            return _union(frozenset(member(o, name) for o in owners) for name in names) if names else _UNKNOWN
        return _UNKNOWN

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


def member(owner: str, name: str) -> str:
    """Return what an attribute of a value is."""
    if owner == TASK:
        return TASK_FACTORY if name in FACTORY_NAMES else TASK if name == "boto3_session" else UNKNOWN
    if owner == AMBIENT:
        return AMBIENT_FACTORY if name in FACTORY_NAMES else AMBIENT if name == "boto3_session" else UNKNOWN
    if owner == UNKNOWN or owner.startswith("<"):
        return UNKNOWN
    return _kind(f"{owner}.{name}")


def _kind(path: str) -> str:
    if path in {"boto3.client", "boto3.resource"}:
        return AMBIENT_FACTORY
    return AMBIENT if path == "boto3.DEFAULT_SESSION" else path


def _union(sets: Iterable[Values]) -> Values:
    return _NOTHING.union(*sets)
