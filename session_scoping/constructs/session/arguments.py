"""What a SessionRole is given, checked before anything is made of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from session_scoping.constructs.data.models import Models
from session_scoping.constructs.data.objects import TenantObjects
from session_scoping.constructs.data.tables import TenantTable
from session_scoping.constructs.minting.minting import Minting
from session_scoping.constructs.restrictions.restriction import Restriction
from session_scoping.contract.errors import InvalidInputError

_KINDS: Mapping[str, tuple[Any, str]] = {
    "minting": (Minting, "Minting.by_compute_roles(...), or another of its builders"),
    "models": (Models | None, "Models.profile(...), or another of its builders"),
    "tables": (TenantTable, "a sequence of TenantTable(table, access=...)"),
    "objects": (TenantObjects, "a sequence of TenantObjects"),
    "limits": (Restriction, "a sequence of limits, such as a WorkloadBinding or a Revocation"),
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


def as_tuple(values: Any) -> tuple[Any, ...]:
    """Return the values as a tuple: a generator would be empty when it is read the second time."""
    return tuple(values) if isinstance(values, Iterable) else (values,)
