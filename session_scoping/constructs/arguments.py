"""What a SessionRole is given, checked before anything is made of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from session_scoping.constructs.limits import Limit
from session_scoping.constructs.minting import Minting
from session_scoping.constructs.models import Models
from session_scoping.constructs.objects import TenantObjects
from session_scoping.constructs.tables import TenantTable
from session_scoping.errors import InvalidInputError

_KINDS: Mapping[str, tuple[Any, str]] = {
    "minting": (Minting, "Minting.by_compute_roles(...), or another of its builders"),
    "models": (Models | None, "Models.profile(...), or another of its builders"),
    "tables": (TenantTable, "a sequence of TenantTable(table, access=...)"),
    "objects": (TenantObjects, "a sequence of TenantObjects"),
    "limits": (Limit, "a sequence of limits, such as a WorkloadBinding or a Revocation"),
}


def check_kinds(**arguments: Sequence[object]) -> None:
    """Refuse what would fail as an attribute error deep inside: a bare table, model ids in place of Models."""
    for name, values in arguments.items():
        kind, expected = _KINDS[name]
        if wrong := [value for value in values if not isinstance(value, kind)]:
            raise InvalidInputError(
                f"`{name}` is not what a SessionRole takes",
                got=f"a {type(wrong[0]).__name__}",
                expected=expected,
                why="what it opens, and to whom, would be a guess",
                fix=f"see the docstring of `{name}`",
            )


def listed(values: Any) -> tuple[Any, ...]:
    """Return the values as a tuple: a generator would be empty when it is read the second time."""
    return tuple(values) if isinstance(values, Iterable) else (values,)


def demand_limit_tags(limits: Iterable[Limit], tag_keys: Sequence[str]) -> None:
    """
    Refuse a limit that reads a tag no session carries.

    Raises:
        InvalidInputError: A tag is not declared.
    """
    missing = [key for limit in limits for key in limit.tag_keys if key not in tag_keys]
    if missing:
        raise InvalidInputError(
            "a limit reads a session tag that is not declared",
            got=f"no tag `{missing[0]}`",
            expected=f"`{missing[0]}` among tag_keys",
            why="its Deny would hold against every session",
            fix=f'add it: tag_keys=[..., "{missing[0]}"], or leave the option out where sessions carry no tags',
        )
