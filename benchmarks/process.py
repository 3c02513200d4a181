"""Whole processes, measured from outside. Nothing heavy is imported: Linux counts a parent's memory as its child's."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ENVIRONMENT = {
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    # Without this the first synth of a process runs a template validator of seconds, whatever is synthesized.
    "CDK_VALIDATION": "false",
}


@dataclass(frozen=True)
class Run:
    """
    One process and those it started.

    Attributes:
        lines: What it printed.
        processor: Seconds of processor time, user and system.
        seconds: Seconds on the wall.
    """

    lines: list[str]
    processor: float
    seconds: float

    @property
    def report(self) -> Any:
        """The JSON in its last line."""
        return json.loads(self.lines[-1])


def run(module: str, *arguments: object, **environment: str) -> Run:
    """Run a module in a fresh interpreter that may keep its bytecode."""
    env = {**os.environ, **ENVIRONMENT, **environment}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", module, *map(str, arguments)]
    processor, begin = _processor_of_children(), time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=env, cwd=Path(__file__).parent.parent
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr}")
    return Run(done.stdout.splitlines(), _processor_of_children() - processor, seconds)


def alternating(rounds: int, *sides: Callable[[], Run]) -> list[list[Run]]:
    """Run the sides in turn, A B A B; return the runs of each. The first round compiles bytecode and is dropped."""
    made = [[side() for side in sides] for _ in range(rounds + 1)]
    return [list(runs) for runs in zip(*made[1:], strict=True)]


def middle(values: list[float], digits: int = 0) -> str:
    """Return the median and, in brackets, the range that holds the middle half."""
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return f"{median(ordered):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Return the peak memory of this process, or of the largest child it has waited for."""
    return resource.getrusage(who).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def _processor_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
