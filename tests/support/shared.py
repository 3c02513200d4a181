"""What is made once for a test run and read by every worker: synthesized templates above all."""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "SESSION_SCOPING_SHARED"


def start() -> Callable[[], None]:
    """Make the run's folder, which workers find by a variable they inherit; return what removes it."""
    folder = tempfile.TemporaryDirectory(prefix="session-scoping-tests-")
    os.environ[FOLDER] = folder.name
    return folder.cleanup


def shared(name: str, make: Callable[[], Any]) -> Any:
    """
    Return what `make` returns, which must survive JSON, made by the first worker that asks for this name.

    Each call returns a copy of its own, so that a test may change it. Outside a test run nothing is kept.
    """
    if FOLDER not in os.environ:
        return make()
    path = Path(os.environ[FOLDER], hashlib.sha256(name.encode()).hexdigest())
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_text(json.dumps(make()))
        return json.loads(path.read_text())
