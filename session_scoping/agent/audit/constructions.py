"""Find the places in a module where an AWS client is made, or may be."""

import ast
import sys
from dataclasses import dataclass

from session_scoping.agent.audit.kinds import (
    AMBIENT,
    AMBIENT_FACTORY,
    AMBIENT_MAKERS,
    FACTORY_NAMES,
    PARTIAL,
    ROOTS,
    TASK,
    TASK_FACTORY,
)
from session_scoping.agent.audit.libraries import (
    S3_ADDRESSES,
    S3_READERS,
    S3_WRITERS,
    Credentials,
    Maker,
    maker_of,
    signed_by,
)
from session_scoping.agent.audit.program import Module
from session_scoping.agent.audit.values import Values, is_renaming_partial

_TEXT_MAX = 120


@dataclass(frozen=True)
class Found:
    """One construction in a module; `service` is nothing when the source does not show it."""

    line: int
    service: str | None
    credentials: Credentials
    text: str


def find(module: Module) -> list[Found]:
    """Return the constructions of a module, by line."""
    finder = _Finder(module)
    found = [found for node in ast.walk(module.tree) for found in finder.at(node)]
    return sorted(set(found), key=lambda one: (one.line, one.service or "", one.text))


class _Finder:
    def __init__(self, module: Module) -> None:
        self._scopes = module.scopes
        self._values = module.values

    def at(self, node: ast.AST) -> list[Found]:
        """Return what one node constructs."""
        if isinstance(node, ast.Call):
            return self._library(node) or self._call(node) or self._handed_on(node)
        if isinstance(node, ast.ClassDef):
            return self._class(node)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return [self._found(node, None, "unknown")] if (node.module or "").split(".")[0] in ROOTS else []
        if isinstance(node, ast.Attribute) and node.attr == "__dict__" and self._holds_factories(node.value):
            return [self._found(node, None, "unknown")]
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            return self._handed_on(node)
        return []

    def _class(self, node: ast.ClassDef) -> list[Found]:
        """Report a class that a library makes clients for, such as a PynamoDB model."""
        makers = [maker for base in node.bases for path in self._values.value(base) if (maker := maker_of(path))]
        text = f"class {node.name}({', '.join(map(ast.unparse, node.bases))})"
        return [Found(node.lineno, maker.service, "ambient", text) for maker in makers]

    def _library(self, node: ast.Call) -> list[Found]:
        """Report a call by which another library makes a client."""
        for path in self._values.value(node.func):
            maker = maker_of(path)
            if maker and self._starts(self._first(node), maker.when):
                return [self._found(node, maker.service, signed_by(maker, node, self._values.value))]
        addresses = [*node.args, *(keyword.value for keyword in node.keywords)]
        if self._opens_addresses(node) and any(self._starts(one, S3_ADDRESSES, sure=True) for one in addresses):
            reader = Maker("s3", (frozenset({"storage_options.session", "filesystem", "client"}),))
            return [self._found(node, "s3", signed_by(reader, node, self._values.value))]
        return []

    def _opens_addresses(self, node: ast.Call) -> bool:
        method = isinstance(node.func, ast.Attribute) and node.func.attr.startswith(S3_WRITERS)
        return method or any(path.split(".")[0] in S3_READERS for path in self._values.value(node.func))

    def _first(self, node: ast.Call) -> ast.expr | None:
        named = [one.value for one in node.keywords if one.arg in {"uri", "model", "protocol"}]
        return next(iter([*node.args, *named]), None)

    def _starts(self, node: ast.expr | None, starts: tuple[str, ...], *, sure: bool = False) -> bool:
        """Whether a text starts so, or may, unless it must be sure."""
        while isinstance(node, ast.BinOp | ast.JoinedStr):  # what it starts with
            node = node.left if isinstance(node, ast.BinOp) else next(iter(node.values), None)
        texts = None if node is None else self._values.texts(node)
        if not starts or texts is None:
            return not sure
        return any(text.startswith(starts) for text in texts)

    def _call(self, node: ast.Call) -> list[Found]:
        function = self._values.value(node.func)
        if PARTIAL in function and node.args:
            function, arguments = self._values.value(node.args[0]), node.args[1:]
            if not _factories(function) or is_renaming_partial(node):
                return []
        else:
            arguments = node.args
        if "getattr" in function and len(node.args) >= 2:
            return self._getattr(node)
        if _factories(function):
            return self._made(node, _credentials(function), arguments)
        if _may_be_a_factory(node, function):
            return self._made(node, "unknown", arguments)
        return self._arguments_handed_on(node)

    def _made(self, node: ast.Call, credentials: Credentials, arguments: list[ast.expr]) -> list[Found]:
        services = self._services(arguments, node.keywords)
        return [self._found(node, service, credentials) for service in sorted(services)] or [
            self._found(node, None, credentials)
        ]

    def _services(self, arguments: list[ast.expr], keywords: list[ast.keyword]) -> frozenset[str]:
        named = [keyword.value for keyword in keywords if keyword.arg == "service_name"]
        first = [*arguments[:1], *named]
        return (self._values.texts(first[0]) or frozenset()) if first else frozenset()

    def _getattr(self, node: ast.Call) -> list[Found]:
        owners = self._values.value(node.args[0])
        names = self._values.texts(node.args[1])
        if names is None and owners & (ROOTS | {AMBIENT, TASK}):
            return [self._found(node, None, "unknown")]
        if names and "__dict__" in names and self._holds_factories(node.args[0]):
            return [self._found(node, None, "unknown")]
        return []

    def _holds_factories(self, node: ast.expr) -> bool:
        """Whether an expression is boto3, botocore, a part of them or an ambient session."""
        values = self._values.value(node)
        return any(value in {AMBIENT, *AMBIENT_MAKERS} or value.split(".")[0] in ROOTS for value in values)

    def _handed_on(self, node: ast.Name | ast.Attribute | ast.Call) -> list[Found]:
        """Report an ambient factory that goes where it is not followed: an argument, a list, a return."""
        if not _factories(self._values.value(node)) or self._followed(node):
            return []
        return [self._found(node, None, _credentials(self._values.value(node)))]

    def _followed(self, node: ast.expr) -> bool:
        parent = self._scopes.parents.get(node)
        match parent:
            case ast.Call():
                return parent.func is node or PARTIAL in self._values.value(parent.func)
            case ast.Assign():
                in_class = self._scopes.of[parent].is_class  # a subclass elsewhere may call it
                return not in_class and all(isinstance(target, ast.Name) for target in parent.targets)
            case ast.AnnAssign():
                return isinstance(parent.target, ast.Name) and not self._scopes.of[parent].is_class
            case ast.NamedExpr() | ast.Attribute() | ast.arguments():
                return True
            case ast.Tuple() | ast.List():
                around = self._scopes.parents.get(parent)
                return isinstance(around, ast.Assign) and all(
                    isinstance(target, ast.Tuple | ast.List) for target in around.targets
                )
            case ast.IfExp() | ast.BoolOp():
                return self._followed(parent)
            case _:
                return False

    def _arguments_handed_on(self, node: ast.Call) -> list[Found]:
        """Report an ambient session, or boto3 itself, that something else may make clients with."""
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(self._values.value(argument) & {AMBIENT, "boto3", *AMBIENT_MAKERS} for argument in given):
            return [self._found(node, None, "unknown")]
        return []

    def _found(
        self,
        node: ast.Call | ast.Name | ast.Attribute | ast.ImportFrom,
        service: str | None,
        credentials: Credentials,
    ) -> Found:
        text = ast.unparse(node).replace("\n", " ")
        return Found(node.lineno, service, credentials, text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "...")


def _factories(values: Values) -> bool:
    return bool(values & {TASK_FACTORY, AMBIENT_FACTORY})


def _credentials(values: Values) -> Credentials:
    if values == {TASK_FACTORY}:
        return "session"
    return "ambient" if AMBIENT_FACTORY in values and TASK_FACTORY not in values else "unknown"


def _may_be_a_factory(node: ast.Call, function: Values) -> bool:
    """Whether a call has the look of a construction on an object nobody knows."""
    named = isinstance(node.func, ast.Attribute) and node.func.attr in FACTORY_NAMES
    foreign = any(value.split(".")[0] not in sys.stdlib_module_names for value in function)
    return named and foreign and bool(node.args or node.keywords)
