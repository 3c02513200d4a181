"""The files the key set's function consists of."""

import shutil
from pathlib import Path

HANDLER = "session_scoping.lambdas.key_set.handler.handler"

FILES = (
    "__init__.py",
    "compact_token.py",
    "errors.py",
    "names.py",
    "tags.py",
    "task_token.py",
    "key_set/__init__.py",
    "key_set/handler.py",
    "key_set/jwk.py",
)


def stage(target_dir: str | Path) -> Path:
    """Copy the files into a directory that becomes the function's code asset; the same files give the same asset."""
    package, target = Path(__file__).parent.parent, Path(target_dir)
    for name in FILES:
        copy = target / "session_scoping" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / name, copy)
        copy.chmod(0o644)
    return target
