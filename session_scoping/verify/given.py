"""Holds what the user names against the templates: a word that covers nothing is refused, what is left out is told."""

from collections.abc import Iterator, Sequence

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.infer import Options, Scoped, find_session_roles, stores_of
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.stores import is_tenant_kind, named, stores_of_role


def demand_known(estate: Estate, scoped: Sequence[Scoped], options: Options) -> None:
    """
    Refuse a word of the user's that names nothing: what it was meant to add to the proof would be left out silently.

    Raises:
        InvalidInputError: A session role, compute role, table or bucket is named that is not there.
    """
    sessions = {item.role.id for item in scoped}
    others = [role for role in estate.roles.values() if role.id not in sessions]
    stores = [store for store in (*estate.stores.values(), *stores_of(scoped)) if is_tenant_kind(store)]
    _demand(options.session_roles, list(estate.roles.values()), _typed("session_roles", options))
    _demand_compute_roles(estate, others, options)
    _demand(options.stores, stores, _typed("stores", options))


def _demand_compute_roles(estate: Estate, others: Sequence[Role], options: Options) -> None:
    """Session roles are never compute roles: a word that names them alone would leave compute-isolation no role."""
    argument = _typed("compute_roles", options)
    _demand(options.compute_roles, list(estate.roles.values()), argument)
    for word in options.compute_roles:
        if not _names_one(word, others):
            raise InvalidInputError(
                f"`{word}` names session roles only",
                got=f"it in `{argument}`",
                expected="a role that agent code runs with before it has a session",
                why="no role would be held to compute-isolation",
                fix=f"name that role, or say with `{_typed('session_roles', options)}` which roles are session roles",
            )


def _demand(words: Sequence[str], known: Sequence[Role | Store], argument: str) -> None:
    for word in words:
        if not _names_one(word, known):
            raise InvalidInputError(
                f"`{word}` names nothing in these templates",
                got=f"it in `{argument}`",
                expected="a logical id, a construct path, or the end of either",
                why="what it was meant to cover would be left out of the proof silently",
                fix="look the id up in the template, or leave the option out",
            )


def _names_one(word: str, known: Sequence[Role | Store]) -> bool:
    return any(named([word], item.id, item.label) for item in known)


def _typed(argument: str, options: Options) -> str:
    """Return an argument of `Options` as the user wrote it: `session_roles`, on the command line `--session-role`."""
    return "--" + argument.removesuffix("s").replace("_", "-") if options.from_command else argument


def left_out(estate: Estate, scoped: Sequence[Scoped], options: Options) -> Iterator[str]:
    """Yield what the user's words replaced: session roles and stores that would have been proved without them."""
    if options.session_roles:
        given = [item.role.label for item in scoped]
        inferred = [role.label for role in find_session_roles(estate, Options())]
        yield from _replaced("session roles", given, inferred)
    if options.stores:
        given = [store.label for store in stores_of(scoped)]
        inferred = [store.label for item in scoped for store in stores_of_role(item.role, estate, ())]
        yield from _replaced("stores", given, inferred)


def _replaced(kind: str, given: Sequence[str], inferred: Sequence[str]) -> Iterator[str]:
    missing = [label for label in dict.fromkeys(inferred) if label not in given]
    if missing:
        yield f"only these {kind}, as given: {', '.join(given)}; left out: {', '.join(missing)}"
