"""Makes the exports and outputs of all stacks known to each other."""

from collections.abc import Iterable

from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.exports import with_stack_name
from session_scoping.verify.intrinsics.scope import Output, Scope
from session_scoping.verify.patterns.text import Unmodelled, plain


def link(scopes: list[Scope]) -> list[Scope]:
    """Make the exports and outputs of every scope visible to all the others."""
    exports = tuple(export for scope in scopes for export in _exports(scope))
    outputs = tuple(output for scope in scopes for output in _outputs(scope))
    for scope in scopes:
        scope.exports, scope.stack_outputs = exports, outputs
    return scopes


def _exports(scope: Scope) -> Iterable[Output]:
    for output in scope.section("Outputs").values():
        export = output.get("Export") if isinstance(output, dict) else None
        name = text_of(export["Name"], scope) if isinstance(export, dict) and "Name" in export else ()
        key = None if isinstance(name, Unmodelled) else plain(with_stack_name(name, scope))
        if key:
            yield Output(key, output.get("Value"), scope)


def _outputs(scope: Scope) -> Iterable[Output]:
    for name, output in scope.section("Outputs").items():
        # What a nested stack is called has a `/` in it, which nobody can ask for: its name is made when it deploys.
        if isinstance(output, dict) and "Value" in output:
            yield Output(f"{scope.stack_name or scope.name}.{name}", output["Value"], scope)
