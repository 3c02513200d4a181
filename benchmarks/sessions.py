"""What each further session of a process costs, each side in processes of its own."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.process import alternating, middle, run
from benchmarks.report import Table, met

ROUNDS = 5
COUNTS = {"plain": 20, "task": 100}  # a hundred of the plain ones would take a GiB and a half
NAMES = {"plain": "boto3.Session", "task": "TaskSession"}
MIB_MAX, MILLISECONDS_MAX = 1.2, 30


def tables() -> Iterator[Table]:
    """Measure both sides in turn, then once more with every allocation traced."""
    sides = [lambda side=side: run("benchmarks.agent_sessions", side, COUNTS[side], "") for side in COUNTS]
    rounds = [[one.report for one in runs] for runs in alternating(ROUNDS, *sides)]
    if any(one["uses_package"] for one in rounds[0]):
        raise RuntimeError("the plain side imports `session_scoping`")
    rows = [row(side, reports) for side, reports in zip(COUNTS, rounds, strict=True)]
    head = ("each session after the first", "sessions", "ms of processor time", "resident MiB", "allocated MiB")
    target = ("target", COUNTS["task"], f"<= {MILLISECONDS_MAX}", f"<= {MIB_MAX}", f"<= {MIB_MAX}", "")
    yield Table("sessions", (*head, "met"), [*rows, target])


def row(side: str, reports: list[Any]) -> tuple[object, ...]:
    """Return the row of one side."""
    milliseconds, mib = ([one[key] for one in reports] for key in ("ms", "mib"))
    traced = run("benchmarks.agent_sessions", side, COUNTS[side], "traced").report["traced_mib"]
    good = median(milliseconds) <= MILLISECONDS_MAX and max(median(mib), traced) <= MIB_MAX
    measured = (middle(milliseconds, 1), middle(mib, 2), f"{traced:.2f}")
    return NAMES[side], COUNTS[side], *measured, met(good) if side == "task" else ""
