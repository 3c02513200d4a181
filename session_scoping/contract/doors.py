"""A package's public door: names that load their module on first use, and the version."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

_Door = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def door(package: str, homes: Mapping[str, Sequence[str]]) -> _Door:
    """
    Return `__getattr__`, `__dir__` and `__all__` of a package.

    So an agent image without the CDK imports what it has, and an app pays only for what it uses. The package repeats
    its names under `TYPE_CHECKING` for type checkers; a test compares the two.

    Args:
        package: The package's `__name__`.
        homes: Module -> the public names it defines.
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home_of[name]), name)

    names = sorted(home_of)
    return load, lambda: names, names


def installed_version() -> str:
    """Return the version of the installed package; `unknown` where the source is used without an installation."""
    from importlib.metadata import PackageNotFoundError, version  # here: it takes longer than all else in this file

    try:
        return version("session-scoping")
    except PackageNotFoundError:
        return "unknown"
