"""The files the broker's function consists of, and how they get into its asset."""

import shutil
from pathlib import Path

HANDLER = "session_scoping.lambdas.credential_broker.handler.handler"
"""The function's `handler` property."""

FILES = (
    "__init__.py",
    "compact_token.py",
    "environment.py",
    "errors.py",
    "names.py",
    "refusals.py",
    "tags.py",
    "task_token.py",
    "broker/__init__.py",
    "broker/checks.py",
    "broker/exchange.py",
    "broker/handler.py",
    "broker/refused.py",
    "broker/revocations.py",
    "broker/settings.py",
)
"""What `HANDLER` imports, and nothing else; a test holds both."""


def stage(target_dir: str | Path) -> Path:
    """
    Copy the broker's files into a directory that becomes the function's code asset.

    The function's runtime brings boto3; nothing is installed. The same files give the same asset hash.

    Args:
        target_dir: Where. Made when it is missing; a file that is already there and not ours stays.

    Returns:
        The directory.
    """
    package = Path(__file__).parent.parent
    target = Path(target_dir)
    for name in FILES:
        copy = target / "session_scoping" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / name, copy)
        copy.chmod(0o644)
    return target
