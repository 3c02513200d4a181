"""The version of the package, as both commands print it."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the installed package; `unknown` where the source is used without an installation."""
    try:
        return version("session-scoping")
    except PackageNotFoundError:
        return "unknown"
