"""The reference stack's context switches."""

from constructs import IConstruct

from session_scoping import InvalidInputError, Revocation


def switch(scope: IConstruct, name: str, values: tuple[str, ...]) -> str:
    """
    Return a context switch; the first value is the default.

    Raises:
        InvalidInputError: It has another value.
    """
    value = str(scope.node.try_get_context(name) or values[0])
    if value not in values:
        raise InvalidInputError(
            f"unknown value of context `{name}`",
            got=f"`{value}`",
            expected=" or ".join(f"`{known}`" for known in values),
            why="it decides what is deployed",
            fix=f"-c {name}={values[0]}",
        )
    return value


def revocations(scope: IConstruct) -> list[Revocation]:
    """Return what `revokedBefore` and `revokedTasks` end."""
    before, tasks = (scope.node.try_get_context(name) for name in ("revokedBefore", "revokedTasks"))
    found = [Revocation.issued_before(str(before))] if before else []
    named = [task.strip() for task in str(tasks).split(",")] if tasks else []
    return [*found, Revocation.of_sessions(task_id=named)] if named else found
